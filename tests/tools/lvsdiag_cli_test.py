#!/usr/bin/env python3
"""lvsdiag as users and scripts meet it. LVSDIAG in the environment is the program."""
import json
import os
import re
import socket
import stat
import struct
import subprocess
import tempfile
import unittest

import jsonschema

LVSDIAG = os.environ['LVSDIAG']
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(ROOT, 'tests', 'corpus')
HEALTHY = os.path.join(CORPUS, '01-two-net-none')
# A real server asks ARP for a gateway that is not the director.
BROKEN = os.path.join(CORPUS, '30-two-net-router-rs-default-gw-not-director-one')
with open(os.path.join(ROOT, 'docs', 'findings.schema.json'), encoding='utf-8') as schema_file:
    SCHEMA = jsonschema.Draft202012Validator(json.load(schema_file))
CONNECTION_KEYS = ['protocol', 'client', 'client_port', 'vip', 'vip_port', 'rip', 'rip_port', 'legs', 'packets', 'bytes',
                   'first', 'last', 'state', 'findings', 'latency_us']


def captures(case):
    """Both sides of the director; a case with one network has one file."""
    files = [os.path.join(case, f'director-{side}.pcap.xz') for side in ('eth0', 'eth1')]
    return [argument for file in files if os.path.exists(file) for argument in ('-r', file)]


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def run(*arguments, **options):
    options.setdefault('stdin', subprocess.DEVNULL)
    environment = {k: v for k, v in os.environ.items() if k != 'NO_COLOR'}
    return subprocess.run([LVSDIAG, *arguments], stdout=options.pop('stdout', subprocess.PIPE), stderr=subprocess.PIPE, text=True,
                          env=environment, timeout=120, **options)


def empty_pcap():
    return struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)


class Usage(unittest.TestCase):
    def refused(self, *arguments):
        result = run(*arguments)
        self.assertEqual(result.returncode, 3, (arguments, result))
        self.assertEqual(result.stdout, '')
        self.assertEqual(result.stderr.count('\n'), 1, result.stderr)
        self.assertTrue(result.stderr.startswith('lvsdiag: '), result.stderr)
        return result.stderr

    def test_bad_usage_is_3_with_one_line(self):
        for arguments in (
                ['--no-such-option'], ['-r'], ['--format', 'xml', '-r', 'x'], ['--color', 'sometimes'], ['nonsense'],
                ['explain'], ['rules', 'extra'], ['-r', 'a', '-i', 'eth0'], ['-r', '-', '-r', '-'],
                ['-q', '-v', '-r', 'a'], ['--for', '10x', '-r', 'a'], ['--for', '-1'],
                ['--for', '99999999999999999999h'], ['-s', '1', '-r', 'a'], ['--state', 'x', '--no-state', '-r', 'a'],
                ['-n', '--names', '-r', 'a'], ['--max-connections', '0', '-r', 'a'],
                ['--evidence', 'x.pcapng', '-r', '-'], ['probe', 'nonsense'], ['probe', '127.0.0.1'],
                ['probe', '10.1.1.2', '--client', '224.0.0.1'], ['probe', '-r', 'x'], ['probe', '-i', 'eth0'],
                ['probe', '--no-state'], ['probe', '--state', 'x'], ['probe', '--connections', 'x']):
            self.refused(*arguments)

    def test_bad_service_and_filter(self):
        self.assertIn('--service', self.refused('--service', 'tcp:nonsense', *captures(HEALTHY)))
        self.refused('-F', 'this is no filter (', *captures(HEALTHY))

    def test_control_characters_of_the_command_line_are_not_echoed(self):
        self.assertNotIn('\x1b', self.refused('explain', '\x1b[31mred'))
        self.assertNotIn('\x1b', run('-r', 'no\x1b[2Jsuch').stderr)

    def test_help_begins_with_what_it_is_and_examples(self):
        for arguments in (['--help'], ['-h']):
            result = run(*arguments)
            self.assertEqual((result.returncode, result.stderr), (0, ''))
            self.assertLess(result.stdout.index('lvsdiag -r eth0.pcap -r eth1.pcap'), result.stdout.index('--format'))
            for line in result.stdout.splitlines():
                self.assertLessEqual(len(line), 80, line)

    def test_version(self):
        result = run('--version')
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r'^lvsdiag \d+\.\d+\.\d+\n$')

    def test_manual_and_help_name_the_same_options(self):
        names = re.compile(r'(?<![\w-])--?[a-zA-Z][\w-]*')
        offered = set()
        for line in run('--help').stdout.splitlines():
            entry = re.match(r'^  (-\S.*?|    --\S.*?)(?:  |$)', line)
            if entry:
                offered |= set(names.findall(entry.group(1)))
        manual = read(os.path.join(ROOT, 'docs', 'man', 'lvsdiag.1'))
        options = manual[manual.index('.SH OPTIONS'):manual.index('.SH EXIT STATUS')]
        described = set()
        for paragraph in options.split('.TP\n')[1:]:
            head = re.sub(r'\\f.', '', paragraph.splitlines()[0].replace('\\-', '-'))
            described |= set(names.findall(head.replace('"', ' ')))
        self.assertGreater(len(offered), 30)
        self.assertEqual(offered, described)

    def test_full_disk_is_told(self):
        with open('/dev/full', 'w') as full:
            for arguments in (['rules'], ['--help'], ['--version'], captures(HEALTHY)):
                result = run(*arguments, stdout=full)
                self.assertEqual(result.returncode, 3, arguments)
                self.assertTrue(result.stderr.startswith('lvsdiag: '), (arguments, result.stderr))

    def test_closed_standard_output_is_told_and_no_capture_is_overwritten(self):
        result = subprocess.run(['sh', '-c', '"$0" "$@" >&-', LVSDIAG, *captures(HEALTHY)], stderr=subprocess.PIPE,
                                text=True, timeout=60)
        self.assertEqual(result.returncode, 3)
        self.assertIn('standard output', result.stderr)

    def test_a_reader_that_leaves_is_no_error(self):
        result = subprocess.run(['sh', '-c', '"$0" rules | head -1', LVSDIAG], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(result.stderr, '')


class Catalogue(unittest.TestCase):
    def test_rules_lists_all_with_codes_and_ids(self):
        result = run('rules')
        self.assertEqual(result.returncode, 0)
        rules = [json.loads(line) for line in run('rules', '--format', 'ndjson').stdout.splitlines()]
        self.assertEqual(json.loads(run('rules', '--format', 'json').stdout), rules)
        self.assertGreaterEqual(len(rules), 30)
        for rule in rules:
            self.assertRegex(rule['code'], r'^LVS\d{3}$')
            self.assertIn(f'{rule["code"]}  {rule["severity"]}', result.stdout)
            self.assertIn(rule['id'], result.stdout)
        for line in result.stdout.splitlines():
            self.assertLessEqual(len(line), 80)

    def test_explain_by_code_and_by_id(self):
        page = run('explain', 'LVS101')
        self.assertEqual(page.returncode, 0)
        self.assertIn('reply-bypasses-director', page.stdout)
        for name in ('lvs101', '101', 'reply-bypasses-director'):
            self.assertEqual(run('explain', name).stdout, page.stdout)

    def test_every_rule_has_a_page(self):
        for rule in json.loads(run('rules', '--format', 'json').stdout):
            page = run('explain', rule['code'])
            self.assertEqual(page.returncode, 0)
            self.assertGreater(len(page.stdout), 400, rule['code'])

    def test_unknown_is_3_with_what_is_near(self):
        for typed, meant in (('reply-bypases-director', 'LVS101'), ('redirect', 'LVS111'), ('LVS1O1', 'LVS101'),
                             ('masq', 'LVS103')):
            result = run('explain', typed)
            self.assertEqual(result.returncode, 3)
            self.assertIn(meant, result.stderr)


class Diagnosis(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def test_healthy_is_0_and_says_so(self):
        result = run(*captures(HEALTHY))
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertTrue(result.stdout.startswith('This LVS-NAT is healthy'), result.stdout)
        self.assertEqual(result.stderr, '')

    def test_broken_is_2_and_names_the_real_server(self):
        result = run(*captures(BROKEN))
        self.assertEqual(result.returncode, 2, result.stdout)
        self.assertTrue(result.stdout.startswith('Broken: '), result.stdout)
        self.assertIn('12--', result.stdout)

    def test_text_fits_80_columns_but_for_commands(self):
        for case in (HEALTHY, BROKEN):
            for line in run(*captures(case)).stdout.splitlines():
                command = line.startswith('    ') and line[4:5] != ' '
                longest_word = max((len(word) for word in line.split()), default=0)
                self.assertTrue(len(line) <= 80 or command or longest_word > 60, line)

    def test_format_does_not_change_the_status(self):
        for form in ('text', 'json', 'ndjson', 'nagios'):
            self.assertEqual(run('--format', form, *captures(BROKEN)).returncode, 2)
            self.assertEqual(run('--format', form, *captures(HEALTHY)).returncode, 0)

    def test_json_validates(self):
        for case in sorted(os.listdir(CORPUS)):
            folder = os.path.join(CORPUS, case)
            if not os.path.exists(os.path.join(folder, 'director-any.pcap.xz')):
                continue
            for arguments in (captures(folder), ['-r', os.path.join(folder, 'director-any.pcap.xz')]):
                result = run('--format', 'json', *arguments)
                report = json.loads(result.stdout)
                errors = [f'{case}: {e.json_path}: {e.message}' for e in SCHEMA.iter_errors(report)]
                self.assertEqual(errors, [])
                self.assertEqual(result.returncode, {'ok': 0, 'warning': 1, 'error': 2, 'unknown': 3}[report['verdict']], case)

    def test_ndjson_ends_with_the_report(self):
        lines = [json.loads(line) for line in run('--format', 'ndjson', *captures(BROKEN)).stdout.splitlines()]
        self.assertEqual(lines[-1]['type'], 'report')
        self.assertEqual({line['type'] for line in lines[:-1]} - {'connection', 'finding', 'lost'}, set())
        self.assertEqual(sum(line['type'] == 'finding' for line in lines), len(lines[-1]['findings']))
        self.assertGreaterEqual(sum(line['type'] == 'connection' for line in lines), lines[-1]['connections']['total'])

    def test_nagios_is_one_line(self):
        line = run('--format', 'nagios', *captures(BROKEN)).stdout
        self.assertRegex(line, r'^LVSDIAG CRITICAL - LVS\d{3} [^|\n]* \| connections=\d+;;;0 [^|\n]*\n$')

    def test_connections(self):
        path = self.path('connections.ndjson')
        self.assertEqual(run('--connections', path, *captures(HEALTHY)).returncode, 0)
        records = [json.loads(line) for line in read(path).splitlines()]
        self.assertTrue(records)
        for record in records:
            self.assertEqual(list(record), CONNECTION_KEYS)
            self.assertRegex(record['legs'], r'^[1?!-][2?!-][3?!-][4?!-]$')
            self.assertRegex(record['first'], r'^\d+\.\d{9}$')
            self.assertEqual(list(record['packets']), ['request', 'demasq', 'reply', 'masq'])
            for value in record['latency_us'].values():
                self.assertTrue(value is None or isinstance(value, (int, float)))
        self.assertTrue(any(record['legs'] == '1234' for record in records))

    def test_evidence_opens_in_tshark_with_comments(self):
        path = self.path('evidence.pcapng')
        report = json.loads(run('--format', 'json', '--evidence', path, *captures(BROKEN)).stdout)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        cited = {(e['source'], e['frame']) for f in report['findings'] for e in f['evidence'] if e['frame']}
        self.assertTrue(cited)
        shown = subprocess.run(['tshark', '-n', '-r', path, '-T', 'fields', '-e', 'frame.comment', '-e', 'frame.interface_name'],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout.splitlines()
        self.assertEqual(len(shown), len(cited))
        for line in shown:
            self.assertRegex(line, r'LVS\d{3}')
            self.assertIn('director-eth', line)

    def test_verbose_puts_cited_frames_in_words(self):
        self.assertIn('\n             > ', run('-v', *captures(BROKEN)).stdout)

    def test_colour_only_when_asked_or_on_a_terminal(self):
        self.assertNotIn('\x1b', run(*captures(BROKEN)).stdout)
        self.assertIn('\x1b[1;31m', run('--color', 'always', *captures(BROKEN)).stdout)

    def test_standard_input(self):
        capture = subprocess.run(['xz', '-dc', os.path.join(HEALTHY, 'director-any.pcap.xz')], stdout=subprocess.PIPE,
                                 check=True).stdout
        result = subprocess.run([LVSDIAG, '-r', '-', '--format', 'json'], input=capture, stdout=subprocess.PIPE, timeout=60)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(json.loads(result.stdout)['sources'][0]['name'], '-')

    def test_unreadable_input(self):
        result = run('--format', 'json', '-r', self.path('missing.pcap'))
        report = json.loads(result.stdout)
        self.assertEqual((result.returncode, report['verdict']), (3, 'unknown'))
        self.assertTrue({'LVS901', 'LVS903'} & {f['code'] for f in report['findings']})
        self.assertIn('missing.pcap', result.stderr)

    def test_one_of_several_refused_is_no_success(self):
        result = run('--format', 'json', *captures(HEALTHY), '-r', self.path('missing.pcap'))
        report = json.loads(result.stdout)
        self.assertIn(result.returncode, (1, 2))
        self.assertIn('LVS901', [f['code'] for f in report['findings']])
        self.assertEqual(len(report['sources']), 3)

    def test_no_traffic_is_3_with_a_line(self):
        with open(self.path('empty.pcap'), 'wb') as file:
            file.write(empty_pcap())
        result = run('-r', self.path('empty.pcap'))
        self.assertEqual(result.returncode, 3)
        self.assertEqual(result.stderr.count('\n'), 1)
        report = json.loads(run('--format', 'json', '-r', self.path('empty.pcap')).stdout)
        self.assertEqual([f['code'] for f in report['findings']], ['LVS903'])

    def test_unreadable_configuration_still_writes_json(self):
        result = run('--format', 'json', '--config', self.path('missing.conf'), *captures(HEALTHY))
        self.assertEqual(result.returncode, 3)
        self.assertEqual(json.loads(result.stdout)['verdict'], 'unknown')
        self.assertIn('missing.conf', result.stderr)

    def test_write_keeps_what_was_read(self):
        path = self.path('kept.pcapng')
        first = json.loads(run('--format', 'json', '-w', path, *captures(BROKEN)).stdout)
        again = json.loads(run('--format', 'json', '-r', path).stdout)
        self.assertEqual(sum(s['packets'] for s in first['sources']), sum(s['packets'] for s in again['sources']))


class OutputFiles(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def report(self, path, *more):
        return run('-o', path, *more, *captures(HEALTHY))

    def test_written_and_replaced(self):
        path = self.path('report.txt')
        for _ in range(2):
            self.assertEqual(self.report(path).returncode, 0)
            self.assertTrue(read(path).startswith('This LVS-NAT is healthy'))
        self.assertEqual(os.listdir(self.folder.name), ['report.txt'], 'nothing unfinished is left')

    def test_a_private_file_stays_private(self):
        path = self.path('report.txt')
        os.close(os.open(path, os.O_CREAT, 0o600))
        self.report(path)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def test_links_and_folders_are_refused(self):
        target = self.path('precious')
        with open(target, 'w', encoding='utf-8') as file:
            file.write('kept')
        os.symlink(target, self.path('link'))
        os.symlink(self.path('nowhere'), self.path('dangling'))
        for option in ('-o', '--connections', '--evidence', '-w'):
            for name in ('link', 'dangling', '', 'missing/report'):
                result = run(option, self.path(name), *captures(BROKEN))
                self.assertEqual(result.returncode, 3, (option, name, result.stderr))
                self.assertEqual(result.stdout, '')
        self.assertEqual(read(target), 'kept')
        self.assertFalse(os.path.exists(self.path('nowhere')))

    def test_no_output_replaces_an_input_or_another_output(self):
        capture = self.path('a.pcap')
        with open(capture, 'wb') as file:
            file.write(empty_pcap())
        os.link(capture, self.path('b.pcap'))
        for option in ('-o', '--connections', '--evidence', '-w'):
            self.assertEqual(run('-r', capture, option, self.path('b.pcap')).returncode, 3)
        self.assertEqual(run('-o', self.path('x'), '--connections', self.path('x'), *captures(HEALTHY)).returncode, 3)
        with open(capture, 'rb') as file:
            self.assertEqual(file.read(), empty_pcap())

    def test_devices_and_descriptors(self):
        self.assertEqual(self.report('/dev/null').returncode, 0)
        self.assertEqual(self.report('/dev/full').returncode, 3)
        self.assertIn('healthy', self.report('/dev/stdout').stdout)

    def test_a_socket_is_refused(self):
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(self.path('socket'))
        self.assertEqual(self.report(self.path('socket')).returncode, 3)



# Nothing at the director tells why this real server does not answer: it has no route back.
SILENT = os.path.join(CORPUS, '32-two-net-rs-no-default-gw')


class With(unittest.TestCase):
    """Reports of lvstrace (--with)."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def trace(self, name='rs1.json', **changes):
        way = {'real_server': '10.1.1.2', 'clients': ['192.168.1.254/32'], 'asked': True, 'way': 'nowhere', 'code': 'LVS302'}
        finding = {'id': 'no-route-to-client', 'code': 'LVS302', 'severity': 'error', 'confidence': 'certain', 'count': 1,
                   'title': '10.1.1.2 has no route for replies to 192.168.1.254',
                   'subject': {'real_server': '10.1.1.2', 'client': '192.168.1.254'}, 'evidence': [{'text': 'no route'}],
                   'cause': 'No route covers it.', 'cure': [{'where': 'real-server', 'command': 'ip route replace default'}]}
        report = {'schema': 1, 'tool': 'lvstrace', 'host': 'rs1', 'taken': None, 'verdict': 'error', 'sources': [],
                  'topology': {'origin': [], 'services': []}, 'connections': {'total': 0, 'legs': {}}, 'reply_ways': [way],
                  'findings': [finding], **changes}
        with open(self.path(name), 'w', encoding='utf-8') as file:
            json.dump(report, file)
        return self.path(name)

    def test_the_cause_is_named(self):
        plain = json.loads(run('--format', 'json', *captures(SILENT)).stdout)
        self.assertFalse(any('because' in f for f in plain['findings']))
        first = plain['sources'][0]['first']
        result = run('--format', 'json', '--with', self.trace(taken=first), *captures(SILENT))
        report = json.loads(result.stdout)
        SCHEMA.validate(report)
        self.assertEqual(result.returncode, 2)
        finding = report['findings'][0]
        self.assertEqual((finding['code'], finding['subject']['real_server']), ('LVS102', '10.1.1.2'))
        self.assertEqual([c['code'] for c in finding['because']], ['LVS302'])
        self.assertEqual(finding['confidence'], 'certain')
        self.assertTrue(finding['evidence'][0]['source'].endswith('rs1.json'))
        self.assertEqual([c['command'] for c in finding['cure']], ['ip route replace default'])
        text = run('--with', self.trace(), *captures(SILENT)).stdout
        self.assertIn('named by LVS302', text)
        nagios = run('--format', 'nagios', '--with', self.trace(), *captures(SILENT)).stdout
        self.assertIn('no-route-to-client', nagios)
        last = json.loads(run('--format', 'ndjson', '--with', self.trace(), *captures(SILENT)).stdout.splitlines()[-1])
        self.assertEqual([c['code'] for c in last['findings'][0]['because']], ['LVS302'])

    def test_what_is_no_report_is_refused(self):
        for text, why in (('', 'JSON'), ('[1]', 'no report'), ('{"schema":7}', 'schema 7'), ('[' * 100000, 'nested')):
            with open(self.path('bad.json'), 'w', encoding='utf-8') as file:
                file.write(text)
            result = run('--with', self.path('bad.json'), *captures(HEALTHY))
            self.assertEqual((result.returncode, result.stdout), (3, ''), text[:20])
            self.assertIn('bad.json', result.stderr)
            if text:
                self.assertIn(why, result.stderr)
        result = run('--with', self.trace(tool='lvsdiag'), *captures(HEALTHY))
        self.assertEqual(result.returncode, 3)
        self.assertIn('lvstrace', result.stderr)
        result = run('--with', self.trace(findings=[{}]), *captures(HEALTHY))
        self.assertIn('findings[0].code', result.stderr)
        self.assertEqual(run('--with', self.path('missing.json'), *captures(HEALTHY)).returncode, 3)
        report = json.loads(run('--format', 'json', '--with', self.path('missing.json'), *captures(HEALTHY)).stdout)
        self.assertEqual(report['verdict'], 'unknown')


if __name__ == '__main__':
    unittest.main()
