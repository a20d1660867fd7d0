#!/usr/bin/env python3
"""The documented command line, line by line: what is understood stands in the list that the proxy
logs at its start, what is not ends with 255. `test_command_line.py PROXY CLI [CASE]`"""

import os
import re
import shlex
import subprocess

import support

# Command lines of the tutorial: words that the reader replaces are in capitals. Everything behind
# the name of the program must work as it stands.
TUTORIAL = {
    "localhost TARGET --proxy-jks-file JKS --proxy-jks-password PASSWORD":
        {"source": "localhost", "target": "TARGET", "proxy-jks-file": "JKS",
         "proxy-jks-password": "********"},
    "localhost TARGET --source-port 9042 --target-port 10350 --proxy-jks-file JKS "
    "--proxy-jks-password PASSWORD --target-username USER --target-password PASSWORD "
    "--disable-source-tls true  --disable-target-tls true ":
        {"source-port": "9042", "target-port": "10350", "target-username": "USER",
         "target-password": "********", "disable-source-tls": "true",
         "disable-target-tls": "true"},
    "localhost TARGET --proxy-jks-file JKS --proxy-jks-password PASSWORD "
    "--target-username USER --target-password PASSWORD":
        {"target-username": "USER", "target-password": "********", "target-port": "9042",
         "disable-source-tls": "false", "disable-target-tls": "false"},
    "localhost TARGET --source-port 9042 --target-port 10350 --proxy-jks-file JKS "
    "--proxy-jks-password PASSWORD --target-username USER --target-password PASSWORD":
        {"source-port": "9042", "target-port": "10350", "target-username": "USER"},
    "SOURCE TARGET":
        {"source": "SOURCE", "target": "TARGET", "proxy-port": "29042", "source-port": "9042"},
    "source-server destination-server --proxy-port 9042":
        {"source": "source-server", "target": "destination-server", "proxy-port": "9042"},
    "source-server destination-server --proxy-port 9042 --source-port 3074":
        {"proxy-port": "9042", "source-port": "3074"},
    "source-server destination-server --protocol-version 4 --cql-version 3.11":
        {"protocol-version": "4", "cql-version": "3.11"},
}

# Every documented option with its documented default; None: it has none and is not listed.
DEFAULTS = {
    "wait": "true", "source-port": "9042", "source-identifier": "source node",
    "target-port": "9042", "target-identifier": "target node", "proxy-port": "29042",
    "proxy-pem-keyfile": None, "proxy-pem-certfile": None, "proxy-jks-file": None,
    "proxy-jks-password": "********", "threads": "1", "protocol-version": None,
    "cql-version": None, "compression": None, "compression-enabled": "true", "uuid": "false",
    "metrics": "true", "metrics-port": "28000", "only-message": "true",
    "write-buffer-size": "65536", "tcp-idle-time-out": "0", "target-username": None,
    "target-password": None, "disable-source-tls": "false", "disable-target-tls": "false",
    "filter-tables": None, "debug": "false", "dest-close": "false", "ghostIps": None,
}

# One value for each that is not its default, and how it is listed.
VALUES = {
    "wait": "false", "source-port": "1", "source-identifier": "the old one", "target-port": "10350",
    "target-identifier": "cosmos", "proxy-port": "9042", "threads": "10", "cql-version": "3.4.5",
    "protocol-version": "4", "compression": "lz4", "compression-enabled": "false", "uuid": "true",
    "metrics": "false", "metrics-port": "28001", "only-message": "false",
    "write-buffer-size": "2097152", "tcp-idle-time-out": "60", "disable-source-tls": "true",
    "disable-target-tls": "true", "filter-tables": "insert into test .*", "debug": "true",
    "dest-close": "true", "ghostIps": '{"10.25.0.2":"192.168.1.4"}',
}

# Rules of the grammar. `s t` is SOURCE TARGET.
UNDERSTOOD = [
    # positionals first, last, between; -- ends the options
    ("s t --threads 2", {"source": "s", "target": "t", "threads": "2"}),
    ("--threads 2 s t", {"source": "s", "target": "t", "threads": "2"}),
    ("s --threads 2 t", {"source": "s", "target": "t", "threads": "2"}),
    ("--threads 2 -- s t", {"source": "s", "target": "t", "threads": "2"}),
    # forms of a value
    ("s t --threads=10", {"threads": "10"}),
    ("s t -t10", {"threads": "10"}),
    ("s t -t 10", {"threads": "10"}),
    ("s t -p 9042", {"proxy-port": "9042"}),
    ("s t -p9042", {"proxy-port": "9042"}),
    ("s t -p=9042", {"proxy-port": "9042"}),
    ("s t -mp 28001", {"metrics-port": "28001"}),
    ("s t -mp28001", {"metrics-port": "28001"}),
    ("s t -mp=28001", {"metrics-port": "28001"}),
    ("s t -W=false", {"wait": "false"}),
    ("s t -W false", {"wait": "false"}),
    # words of a Boolean, in any case
    *[(f"s t --debug {word}", {"debug": "true"})
      for word in ("true", "yes", "on", "1", "TRUE", "Yes", "oN")],
    *[(f"s t --wait {word}", {"wait": "false"}) for word in ("false", "no", "off", "0", "NO")],
    # names in any case, and by a unique prefix
    ("s t --Proxy-PORT 1", {"proxy-port": "1"}),
    ("s t --ghostips '{\"10.0.0.1\":\"10.1.0.1\"}'", {"ghostIps": '{"10.0.0.1":"10.1.0.1"}'}),
    ("s t --target-u u --target-pas p", {"target-username": "u", "target-password": "********"}),
    ("s t --target-u=u --target-pas=p", {"target-username": "u", "target-password": "********"}),
    ("s t --th 3", {"threads": "3"}),
    # lists take the words behind them
    ("s t --protocol-version 3 4", {"protocol-version": "3,4"}),
    ("s t --protocol-version 3 --protocol-version 4", {"protocol-version": "3,4"}),
    ("--protocol-version=4 s t", {"protocol-version": "4", "source": "s"}),
    ("s t --compression lz4 snappy --threads 2", {"compression": "lz4,snappy", "threads": "2"}),
    ("--protocol-version 3 4 -- s t", {"protocol-version": "3,4", "source": "s"}),
    # double quotes that the shell has left go; a dash begins a value where no option has the name
    ("s t --cql-version '\"3.4.5\"'", {"cql-version": "3.4.5"}),
    ("s t --source-identifier -east", {"source-identifier": "-east"}),
]

# What ends with 255, and the words that the message must have.
REFUSED = [
    ("", "The argument 'source' is required"),
    ("s", "The argument 'target' is required"),
    ("s t --debug", "The option 'debug' requires a value"),
    ("s t -p", "The option 'proxy-port' requires a value"),
    ("--disable-source-tls s t", "The argument 'target' is required"),
    ("--protocol-version 4 s t", "'s' is not a number from 3 to 5"),
    ("s t --target-p 1",
     "Ambiguous argument in command line: '--target-p' matches [target-port, target-password]"),
    ("s t --threads 1 --threads 2", "The option 'threads' is given twice"),
    ("s t --threads=1 --threads=2", "The option 'threads' is given twice"),
    ("--unknown x s t", "there is no option --unknown"),
    ("s t --thread-count 2", "there is no option --thread-count"),
    ("s t third", "unexpected argument 'third'"),
    ("s t --threads x", "'x' is not a number"),
    ("s t --source-port 65536", "is not a number from 1 to 65535"),
    ("s t --target-username u", "Both target-username and target-password need to be set"),
    ("s t --target-password p", "Both target-username and target-password need to be set"),
    ("s t --proxy-pem-keyfile f", "Both proxy-pem-keyfile and proxy-pem-certfile need to be set"),
    ("s t --ghostIps '{\"10.25.0.2\":192.168.1.4\"'", "--ghostIps: not a JSON object"),
    ("s t --filter-tables '('", "--filter-tables: the pattern is wrong"),
]

LISTED = re.compile(r"info +([\w-]+) : (.*)")


class CommandLine(support.ProgramTest):
    program = support.PROXY

    def setUp(self):
        super().setUp()
        self.keystore = os.path.join(self.folder, "keystore.jks")
        self.make_keystore()

    def make_keystore(self):
        key, certificate = (os.path.join(self.folder, name) for name in ("key", "certificate"))
        openssl = ["openssl"]
        for command in (
                ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=selfsigned",
                 "-keyout", key, "-out", certificate],
                ["pkcs12", "-export", "-inkey", key, "-in", certificate, "-name", "selfsigned",
                 "-passout", "pass:password", "-out", self.keystore]):
            subprocess.run(openssl + command, check=True, capture_output=True)

    def listed(self, words: list[str]) -> dict[str, str]:
        """What the proxy says that it was told; it stops by itself after 50 ms."""
        done = self.run_program(*words, HOME=self.folder, FAKE_FAILURE="enough")
        self.assertIn("enough", done.stderr, f"{words}: it did not start:\n{done.stderr}")
        return dict(LISTED.findall(done.stderr))

    def check_listed(self, words: list[str], expected: dict[str, str]) -> None:
        with self.subTest(words=words):
            listed = self.listed(words)
            self.assertEqual({key: listed.get(key) for key in expected}, expected)

    def test_the_lines_of_the_tutorial_work(self):
        for line, expected in TUTORIAL.items():
            places = {"JKS": self.keystore, "PASSWORD": "password"}
            words = [places.get(word, word) for word in shlex.split(line)]
            self.check_listed(words, {key: places.get(value, value)
                                      for key, value in expected.items()})

    def test_every_documented_option_has_its_documented_default(self):
        listed = self.listed(["s", "t"])
        for key, value in DEFAULTS.items():
            with self.subTest(key=key):
                self.assertEqual(listed.get(key), value)

    def test_every_documented_option_takes_its_values(self):
        for key, value in VALUES.items():
            for words in ([f"--{key}", value], [f"--{key}={value}"], [f"--{key.upper()}", value]):
                self.check_listed(["s", "t", *words], {key: value, "source": "s", "target": "t"})
            if key not in ("protocol-version", "cql-version", "compression"):
                self.check_listed([f"--{key}", value, "s", "t"], {key: value, "target": "t"})

    def test_the_table_of_this_test_is_complete(self):
        kinds = {key for key in DEFAULTS if "pem" not in key and "jks" not in key}
        self.assertEqual(kinds, set(VALUES) | {"target-username", "target-password"})

    def test_the_rules_of_the_grammar(self):
        for line, expected in UNDERSTOOD:
            self.check_listed(shlex.split(line), expected)

    def test_wrong_lines_end_with_a_message_the_usage_and_255(self):
        for line, text in REFUSED:
            with self.subTest(line=line):
                done = self.run_program(*shlex.split(line), HOME=self.folder)
                self.assertEqual(done.returncode, 255, done.stderr)
                self.assertIn(text, done.stderr)
                self.assertIn("Usage: dualwrite-proxy", done.stderr)
                self.assertEqual(done.stdout, "")

    def test_no_secret_is_ever_shown(self):
        for words in (["s", "t", "--target-username", "u", "--target-password", "Xyzzy"],
                      ["s", "t", "--target-password", "Xyzzy"],
                      ["s", "t", "--target-password=Xyzzy", "--target-password=Xyzzy"]):
            done = self.run_program(*words, HOME=self.folder, FAKE_FAILURE="enough")
            self.assertNotIn("Xyzzy", done.stdout + done.stderr)


if __name__ == "__main__":
    support.main()
