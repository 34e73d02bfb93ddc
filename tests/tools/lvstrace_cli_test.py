#!/usr/bin/env python3
"""lvstrace as users meet it: saved state in, verdict and exit status out, with and without the capture library."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import jsonschema

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
with open(os.path.join(ROOT, 'docs', 'findings.schema.json'), encoding='utf-8') as schema_file:
    SCHEMA = jsonschema.Draft202012Validator(json.load(schema_file))
LVSTRACE = os.environ['LVSTRACE']
LIBRARY = os.environ['LVSNAT_LIBRARY']

ADDR = [{'ifname': 'eth0', 'flags': ['UP', 'LOWER_UP'], 'link_type': 'ether', 'address': '02:00:00:00:00:02',
         'addr_info': [{'family': 'inet', 'local': '10.1.1.2', 'prefixlen': 24, 'scope': 'global'}]}]
RULE = [{'priority': 0, 'src': 'all', 'table': 'local'}, {'priority': 32766, 'src': 'all', 'table': 'main'}]
OWN = {'dst': '10.1.1.0/24', 'dev': 'eth0', 'protocol': 'kernel', 'scope': 'link', 'prefsrc': '10.1.1.2'}


class Trace(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def state(self, gateway):
        for name, content in (('addr', ADDR), ('rule', RULE), ('neigh', []), ('route-cache', []),
                              ('route', [{'dst': 'default', 'gateway': gateway, 'dev': 'eth0'}, OWN])):
            with open(os.path.join(self.folder, name + '.json'), 'w') as f:
                json.dump(content, f)
        return self.folder

    def run_it(self, *words, program=LVSTRACE, env=None):
        return subprocess.run([program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=60, env=env)

    def ask(self, gateway, *words):
        return self.run_it('-n', '--state', self.state(gateway), '--director', '10.1.1.9', *words)

    def test_exit_status(self):
        self.assertEqual(self.ask('10.1.1.9', '--client', '192.168.1.254').returncode, 0)
        self.assertEqual(self.ask('10.1.1.1', '--client', '192.168.1.254').returncode, 2)
        self.assertEqual(self.ask('10.1.1.1').returncode, 2)

    def test_json(self):
        run = self.ask('10.1.1.1', '--client', '192.168.1.254', '--format', 'json')
        report = json.loads(run.stdout)
        SCHEMA.validate(report)
        self.assertEqual(report['schema'], 1)
        self.assertEqual(report['tool'], 'lvstrace')
        self.assertEqual(report['verdict'], 'error')
        finding = report['findings'][0]
        self.assertEqual((finding['code'], finding['id']), ('LVS301', 'wrong-gateway'))
        self.assertEqual(finding['subject']['real_server'], '10.1.1.2')
        self.assertEqual(finding['subject']['client'], '192.168.1.254')
        self.assertIn('ip route replace default via 10.1.1.9', finding['cure'][0]['command'])

    def test_other_formats(self):
        lines = self.ask('10.1.1.1', '--format', 'ndjson').stdout.splitlines()
        self.assertEqual(json.loads(lines[-1])['type'], 'report')
        self.assertTrue(self.ask('10.1.1.1', '--format', 'nagios').stdout.startswith('LVSTRACE CRITICAL'))
        self.assertIn('LVS301', self.ask('10.1.1.1').stdout)

    def test_bad_usage(self):
        for words in (('--client', 'nonsense'), ('--director', 'x'), ('--client', '10.0.0.0/33'), ('-r', 'a', '-i', 'b')):
            run = self.run_it(*words)
            self.assertEqual((run.returncode, run.stdout), (3, ''), words)
            self.assertNotEqual(run.stderr, '')

    def test_unreadable_state_is_unknown_and_still_a_report(self):
        run = self.run_it('--state', '/nonexistent', '--format', 'json')
        self.assertEqual(run.returncode, 3)
        report = json.loads(run.stdout)
        SCHEMA.validate(report)
        self.assertEqual(report['verdict'], 'unknown')

    def test_probes_are_sent_from_this_host_alone(self):
        for words in (('--state', self.state('10.1.1.9')), ('-r', 'x.pcap'), ('--no-state',)):
            run = self.run_it('--probe', '--client', '192.168.1.254', *words)
            self.assertEqual((run.returncode, run.stdout), (3, ''), words)
            self.assertIn('--probe', run.stderr)

    def test_without_the_capture_library(self):
        """A small real server: the program and liblvsnat alone."""
        place = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, place)
        program = os.path.join(place, 'lvstrace')
        shutil.copy(LVSTRACE, program)
        shutil.copy(LIBRARY, os.path.join(place, os.environ['LVSNAT_SONAME']))
        # The build tree's own path stands in the program; a loader that searches there would find what must be missing.
        with open(program, 'r+b') as f:
            content = f.read()
            path = os.path.dirname(LIBRARY).encode()
            f.seek(0)
            f.write(content.replace(path, b'/' + b'n' * (len(path) - 1)))
        env = dict(os.environ, LD_LIBRARY_PATH=place)
        run = self.run_it('--state', self.state('10.1.1.9'), '--director', '10.1.1.9', program=program, env=env)
        self.assertEqual((run.returncode, run.stderr), (0, ''))
        run = self.run_it('-r', 'x.pcap', program=program, env=env)
        self.assertEqual(run.returncode, 3)
        self.assertIn('libpcap', run.stderr)
        self.assertIn('install', run.stderr)
        run = self.run_it('--probe', '--client', '192.0.2.1', program=program, env=env)
        self.assertEqual(run.returncode, 3)
        self.assertIn('libtins', run.stderr)


if __name__ == '__main__':
    unittest.main()
