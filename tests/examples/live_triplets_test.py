#!/usr/bin/env python3
"""The example of docs/examples over captures of a real director. LIVE_TRIPLETS in the environment is the program."""
import os
import subprocess
import unittest

PROGRAM = os.environ['LIVE_TRIPLETS']
CORPUS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'corpus')


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                          check=False)


def captures(case):
    return [os.path.join(CORPUS, case, f'director-{side}.pcap.xz') for side in ('eth0', 'eth1')]


class Triplets(unittest.TestCase):
    def test_healthy(self):
        result = run('-r', *captures('01-two-net-none'))
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        lines = result.stdout.splitlines()
        self.assertEqual(len(lines), 7)
        for line in lines:
            self.assertRegex(line, r'^192\.168\.1\.254:\d+ -> 192\.168\.1\.110:80 -> 10\.1\.1\.[234]:80  1234$')

    def test_one_real_server_with_another_gateway(self):
        result = run('-r', *captures('30-two-net-router-rs-default-gw-not-director-one'))
        self.assertEqual(result.returncode, 2)
        for line in result.stdout.splitlines():
            self.assertTrue(line.endswith('12--' if ' 10.1.1.3:80 ' in line else '1234'), line)

    def test_what_cannot_be_opened(self):
        self.assertEqual(run('-r', 'no-such-file').returncode, 3)
        self.assertEqual(run().returncode, 3)


if __name__ == '__main__':
    unittest.main()
