#!/usr/bin/env python3
"""Judges lvsdiag and lvstrace on captures and kernel state of a real LVS-NAT cluster.

Each scenario folder is one run of the cluster: what was wrong stands in its truth.json, what the programs must make of
it, by vantage, in expected.json beside this file. Vantages:

  packets     all interfaces of the director, services declared (ipvsadm-save form), no kernel state
  undeclared  the same captures, nothing declared
  any         the director's `any` capture alone, nothing declared
  state       the captures and the director's saved kernel state
  outside     the clients' side of the director alone, services declared
  inside      the real servers' side of the director alone, services declared
  lvstrace    saved kernel state of each real server

An expectation holds any of:
  healthy   true: no error, no warning about traffic, exit status 0 (1 where a harmless warning stands)
  expect    one of these ids must be reported (as error or warning in a faulty run)
  guilty    the real servers that the expected findings name: all of them and no other
  allow     ids that may be errors besides
  innocent  true (lvstrace): no error at all
An error outside `expect` and `allow` is a false accusation. From one side only, an error of confidence `possible` is
none: it says itself that it is not proved.
"""

import argparse
import ipaddress
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    jsonschema = None

HERE = pathlib.Path(__file__).resolve().parent
VANTAGES = ('packets', 'undeclared', 'any', 'state', 'outside', 'inside', 'lvstrace')
ONE_SIDED = ('outside', 'inside')
TIME_LIMIT = 60  # seconds; only against a program that hangs

# Warnings that a cluster which works may well earn: settings that could hurt, clients that knock elsewhere.
HARMLESS_WARNINGS = {
    'send-redirects-on', 'accepts-redirects', 'idle-timeout-short', 'masquerade-rule-takes-replies', 'ftp-helper-missing',
    'client-bypasses-director', 'no-such-service', 'capture-incomplete', 'icmp-redirect-sent'
}
# Settings that may stand as errors beside any fault: they are true of the host, and not an accusation of the traffic.
NEUTRAL_ERRORS = {
    'send-redirects-on', 'accepts-redirects', 'masquerade-rule-takes-replies', 'idle-timeout-short', 'hop-count-not-two',
    'client-reachable-directly'
}


def run(command, validator):
    """Runs a program; returns (exit status, report or None, complaint or None)."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIME_LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, None, str(error)
    said = done.stderr.decode(errors='replace').strip()[-200:]
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        return done.returncode, None, f'exit {done.returncode}, no JSON ({error}): {said}'
    broken = next(iter(validator.iter_errors(report)), None)
    if broken is not None:
        path = '/'.join(str(part) for part in broken.absolute_path)
        return done.returncode, None, f'report breaks the schema at {path}: {broken.message[:160]}'
    return done.returncode, report, None


def real_servers(findings):
    """The real servers that findings name, as addresses."""
    named = set()
    for finding in findings:
        text = finding['subject'].get('real_server')
        try:
            named.add(str(ipaddress.ip_address(text)) if text else None)
        except ValueError:
            named.add(text)  # not an address alone, as the schema asks: nobody's name, and the complaint shows it
    return named - {None}


def ids(findings):
    return ', '.join(sorted({finding['id'] for finding in findings})) or 'nothing'


def judge(report, status, wanted, truth, vantage):
    """Returns what is wrong with a report, or None."""
    findings = report['findings']
    errors = [f for f in findings if f['severity'] == 'error']
    warnings = [f for f in findings if f['severity'] == 'warning']
    correct = {2} if errors else {1} if warnings else {0, 3}
    if status not in correct:
        return f'exit status {status} with {len(errors)} errors and {len(warnings)} warnings'
    if wanted.get('innocent'):
        return f'innocent, but accused: {ids(errors)}' if errors else None

    expected = set(wanted.get('expect', ()))
    if wanted.get('healthy'):
        accused = errors + [f for f in warnings if f['id'] not in HARMLESS_WARNINGS]
        if accused:
            return f'healthy, but accused: {ids(accused)}'
        if status == 3 or any(f['id'] == 'no-traffic' for f in findings):
            return 'healthy traffic was not recognised'
        if expected and not any(f['id'] in expected for f in findings):
            return f'missed {" or ".join(sorted(expected))}; said {ids(findings)}'
        return None

    hits = [f for f in findings if f['id'] in expected and (f['severity'] != 'info' or f['id'] == 'no-traffic')]
    if expected and not hits:
        return f'missed {" or ".join(sorted(expected))}; said {ids(findings)}'
    if vantage in ONE_SIDED:
        errors = [f for f in errors if f['confidence'] != 'possible']
    if 'guilty' in wanted:
        guilty = set(wanted['guilty'])
        named = real_servers(hits)
        if not guilty <= named:
            return f'guilty are {", ".join(sorted(guilty))}; named {", ".join(sorted(named)) or "none"}'
        innocent = (named | real_servers(errors)) & set(truth['rips']) - guilty
        if innocent:
            return f'accused innocent {", ".join(sorted(innocent))}'
    false = [f for f in errors if f['id'] not in expected | set(wanted.get('allow', ())) | NEUTRAL_ERRORS]
    return f'also accused: {ids(false)}' if false else None


def commands(scenario, truth, vantage, arguments, scratch):
    """Yields (label, command, key in the expectation or None) for a scenario seen from a vantage."""
    folder = HERE / scenario
    state = arguments.state / scenario / 'state'
    interfaces = sorted(folder.glob('director-eth*.pcap.xz'))
    if vantage == 'lvstrace':
        for number in range(1, len(truth['rips']) + 1):
            host = f'rs{number}'
            command = [arguments.lvstrace, '--format', 'json', '--state', state / host]
            for client in truth['cip']:
                command += ['--client', client]
            for director in truth['dips']:
                command += ['--director', director]
            yield f'lvstrace {host}', command, host
        return
    captures = {
        'any': [folder / 'director-any.pcap.xz'],
        'outside': interfaces[:1],
        'inside': interfaces[1:],
    }.get(vantage, interfaces)
    command = [arguments.lvsdiag, '--format', 'json']
    if vantage == 'state':
        command += ['--state', state / 'director']
    else:
        command += ['--no-state']
    if vantage in ('packets', 'outside', 'inside'):
        config = scratch / f'{scenario}.ipvsadm'
        config.write_text('\n'.join(truth['ipvsadm']) + '\n', encoding='utf-8')
        command += ['--config', config]
    for capture in captures:
        command += ['-r', capture]
    yield vantage, command, None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--lvsdiag', type=pathlib.Path)
    parser.add_argument('--lvstrace', type=pathlib.Path)
    parser.add_argument('--state', type=pathlib.Path, required=True, help='folder into which state.tar.xz was unpacked')
    parser.add_argument('--vantage', action='append', choices=VANTAGES, help='repeatable; default: all that the programs allow')
    parser.add_argument('--only', action='append', default=[], metavar='NN', help='scenario number, repeatable')
    arguments = parser.parse_args()

    if jsonschema is None:
        print('judge.py: python3-jsonschema is missing; scripts/setup installs it', file=sys.stderr)
        return 3
    schema = json.loads((HERE.parent.parent / 'docs' / 'findings.schema.json').read_text(encoding='utf-8'))
    validator = jsonschema.Draft202012Validator(schema)
    expectations = json.loads((HERE / 'expected.json').read_text(encoding='utf-8'))
    folders = {path.parent.name for path in HERE.glob('*/truth.json')}
    if folders != set(expectations):
        print(f'expected.json and the folders disagree: {sorted(folders ^ set(expectations))}', file=sys.stderr)
        return 1

    vantages = arguments.vantage or [v for v in VANTAGES if (arguments.lvstrace if v == 'lvstrace' else arguments.lvsdiag)]
    tally = {}
    with tempfile.TemporaryDirectory() as scratch:
        for scenario in sorted(expectations):
            if arguments.only and scenario[:2] not in arguments.only:
                continue
            truth = json.loads((HERE / scenario / 'truth.json').read_text(encoding='utf-8'))
            for vantage in vantages:
                if vantage not in expectations[scenario]:
                    continue
                for label, command, key in commands(scenario, truth, vantage, arguments, pathlib.Path(scratch)):
                    wanted = expectations[scenario][vantage]
                    wanted = wanted.get(key) if key else wanted
                    if wanted is None:
                        continue
                    status, report, complaint = run([str(part) for part in command], validator)
                    if report is not None:
                        complaint = judge(report, status, wanted, truth, vantage)
                    kind = 'healthy' if wanted.get('healthy') or wanted.get('innocent') else 'faulty'
                    cell = tally.setdefault(vantage, {'healthy': [0, 0], 'faulty': [0, 0]})[kind]
                    cell[0] += complaint is None
                    cell[1] += 1
                    if complaint:
                        print(f'{scenario} [{label}] {complaint}')
                        print(f'    {" ".join(str(part) for part in command)}')
    passed = total = 0
    for vantage, cells in tally.items():
        print(f'{vantage:<11}' + ', '.join(f'{kind} {ok} of {count}' for kind, (ok, count) in cells.items()))
        passed += sum(ok for ok, _ in cells.values())
        total += sum(count for _, count in cells.values())
    print(f'{passed} of {total} cases')
    return 0 if total and passed == total else 1


if __name__ == '__main__':
    sys.exit(main())
