#!/usr/bin/env python3
"""What the linker and the compiler were asked for is in the programs and libraries: read with readelf from what was built.

LVSNAT_BINARIES in the environment: paths with ':' between; LVSNAT_FORTIFIED: 1 where the build type optimises; LVSNAT_PROTECTED:
1 where the stack protector is asked for.
"""
import os
import re
import subprocess
import unittest

BINARIES = os.environ['LVSNAT_BINARIES'].split(':')
FORTIFIED = os.environ['LVSNAT_FORTIFIED'] == '1'
PROTECTED = os.environ['LVSNAT_PROTECTED'] == '1'
# Nothing starts a program. lvstop makes one process of itself: the one that reads the kernel's state.
STARTS = {'execve', 'execv', 'execvp', 'execvpe', 'execl', 'execlp', 'execle', 'fexecve', 'execveat', 'system', 'popen',
          'posix_spawn', 'posix_spawnp', 'vfork', 'fork', 'clone', 'daemon'}
UNCHECKED = {'strcpy', 'strcat', 'sprintf', 'vsprintf', 'gets', 'mktemp', 'tmpnam', 'tempnam'}


def readelf(path, *what):
    return subprocess.run(['readelf', '-W', *what, path], stdout=subprocess.PIPE, text=True, check=True).stdout


def imported(path):
    names = set()
    for line in readelf(path, '--dyn-syms').splitlines():
        words = line.split()
        if len(words) > 7 and words[6] == 'UND':
            names.add(words[7].split('@')[0])
    return names


class Hardening(unittest.TestCase):
    def each(self, check):
        for path in BINARIES:
            with self.subTest(os.path.basename(path)):
                check(path)

    def test_at_an_address_of_its_own(self):
        self.each(lambda path: self.assertIn('DYN', re.search(r'Type:\s+(\S+)', readelf(path, '-h')).group(1)))

    def test_neither_stack_nor_code_can_be_written_and_run(self):
        def check(path):
            segments = [line.split() for line in readelf(path, '-l').splitlines()]
            stack = [s for s in segments if s[:1] == ['GNU_STACK']]
            self.assertEqual([s[6] for s in stack], ['RW'])
            for segment in segments:
                if segment[:1] == ['LOAD']:
                    self.assertFalse('W' in segment[6] and 'E' in segment[6:8], segment)
        self.each(check)

    def test_what_the_loader_wrote_is_read_only(self):
        def check(path):
            self.assertIn('GNU_RELRO', readelf(path, '-l'))
            self.assertRegex(readelf(path, '-d'), r'BIND_NOW|Flags:.*\bNOW\b')
        self.each(check)

    def test_the_stack_is_guarded(self):
        if not PROTECTED:
            self.skipTest('a sanitizer guards it')
        self.each(lambda path: self.assertIn('__stack_chk_fail', imported(path)))

    def test_copies_are_checked(self):
        if not FORTIFIED:
            self.skipTest('not without optimisation')
        chk = {os.path.basename(path): {n for n in imported(path) if n.endswith('_chk')} for path in BINARIES}
        # Not every file has a call whose size is not known when it is compiled; the whole has.
        self.assertTrue(set().union(*chk.values()), chk)

    def test_no_program_is_started(self):
        def check(path):
            allowed = {'fork'} if os.path.basename(path) == 'lvstop' else set()
            self.assertEqual(imported(path) & (STARTS - allowed), set())
        self.each(check)

    def test_no_copy_without_a_bound(self):
        self.each(lambda path: self.assertEqual(imported(path) & UNCHECKED, set()))


if __name__ == '__main__':
    unittest.main()
