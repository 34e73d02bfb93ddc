#!/usr/bin/env python3
"""The judge must be able to condemn: each case is a report and what must be said of it (None: nothing)."""

import sys
import unittest

import judge

TRUTH = {'rips': ['10.1.1.2', '10.1.1.3', '10.1.1.4']}
FAULTY = {'expect': ['reply-bypasses-director'], 'guilty': ['10.1.1.3'], 'allow': ['gateway-unanswered']}


def finding(name, rip=None, severity='error', confidence='certain'):
    return {'id': name, 'severity': severity, 'confidence': confidence, 'subject': {'real_server': rip}}


def verdict(findings, status, wanted, vantage='packets'):
    return judge.judge({'findings': findings}, status, wanted, TRUTH, vantage)


class Judge(unittest.TestCase):
    def test_the_guilty_named_is_right(self):
        self.assertIsNone(verdict([finding('reply-bypasses-director', '10.1.1.3')], 2, FAULTY))

    def test_silence_misses_the_fault(self):
        self.assertIn('missed', verdict([], 0, FAULTY))

    def test_an_info_is_no_accusation(self):
        self.assertIn('missed', verdict([finding('reply-bypasses-director', '10.1.1.3', 'info')], 0, FAULTY))

    def test_another_real_server_is_not_the_guilty_one(self):
        self.assertIn('guilty', verdict([finding('reply-bypasses-director', '10.1.1.4')], 2, FAULTY))

    def test_an_innocent_beside_the_guilty(self):
        both = [finding('reply-bypasses-director', '10.1.1.3'), finding('reply-bypasses-director', '10.1.1.4')]
        self.assertIn('innocent', verdict(both, 2, FAULTY))

    def test_an_allowed_finding_must_not_name_an_innocent_either(self):
        both = [finding('reply-bypasses-director', '10.1.1.3'), finding('gateway-unanswered', '10.1.1.4')]
        self.assertIn('innocent', verdict(both, 2, FAULTY))

    def test_an_error_that_nothing_explains(self):
        both = [finding('reply-bypasses-director', '10.1.1.3'), finding('duplicate-vip')]
        self.assertIn('also accused', verdict(both, 2, FAULTY))

    def test_the_exit_status_must_fit(self):
        self.assertIn('exit status', verdict([finding('reply-bypasses-director', '10.1.1.3')], 1, FAULTY))

    def test_healthy(self):
        self.assertIsNone(verdict([], 0, {'healthy': True}))
        self.assertIsNone(verdict([finding('send-redirects-on', severity='warning')], 1, {'healthy': True}))

    def test_healthy_but_accused(self):
        self.assertIn('accused', verdict([finding('packet-loss', severity='warning')], 1, {'healthy': True}))
        self.assertIn('accused', verdict([finding('duplicate-vip')], 2, {'healthy': True}))

    def test_healthy_but_nothing_recognised(self):
        self.assertIn('not recognised', verdict([finding('no-traffic', severity='info')], 3, {'healthy': True}))

    def test_healthy_with_something_to_be_said(self):
        wanted = {'healthy': True, 'expect': ['full-nat']}
        self.assertIn('missed', verdict([], 0, wanted))
        self.assertIsNone(verdict([finding('full-nat', severity='info')], 0, wanted))

    def test_from_one_side_only_proof_accuses(self):
        wanted = {'allow': []}
        self.assertIsNone(verdict([finding('request-not-forwarded', confidence='possible')], 2, wanted, 'outside'))
        self.assertIn('accused', verdict([finding('request-not-forwarded')], 2, wanted, 'outside'))
        self.assertIn('accused', verdict([finding('request-not-forwarded', confidence='possible')], 2, wanted, 'packets'))

    def test_innocent(self):
        self.assertIsNone(verdict([finding('accepts-redirects', severity='warning')], 1, {'innocent': True}))
        self.assertIn('innocent', verdict([finding('wrong-gateway')], 2, {'innocent': True}))


if __name__ == '__main__':
    sys.exit(unittest.main(verbosity=0))
