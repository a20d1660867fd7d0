#!/usr/bin/env python3
"""Programs of a few lines, built against what is installed. `test_installed.py BUILD [CASE]`

Installs into a folder of its own (nothing is built again) and uses it as strangers would: by
pkg-config and by CMake. As a Meson subproject, what needs headers only is built and run; what needs
the library is only compiled, since a build of everything takes minutes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path()
ROOT = Path(__file__).resolve().parents[2]

C_PROGRAM = """\
#include <dualwrite/dualwrite.h>
#include <stdio.h>
int main(void)
{
    dw_error err = DW_ERROR_INIT;
    dw_conf* conf = NULL;
    if (dw_conf_new(&conf, DW_COMMAND_PROXY, &err) != DW_OK) return 1;
    printf("version %s\\n", dw_version());
    dw_conf_free(&conf);
    return 0;
}
"""
CPP_PROGRAM = """\
#include <dualwrite/policy/statement.hpp>
#include <dualwrite/protocol/compression.hpp>
#include <cstdio>
int main()
{
    dualwrite::byte_buffer out;
    const bool packed = compress_body(dualwrite::protocol::compression::lz4, {}, out).has_value();
    const auto facts = dualwrite::policy::classify("INSERT INTO k.t (a) VALUES (1)");
    std::printf("%s.%s %d\\n", facts.keyspace.c_str(), facts.table.c_str(), packed);
}
"""
CMAKE = """\
cmake_minimum_required(VERSION 3.16)
project(user C CXX)
find_package(dualwrite 0.1 REQUIRED)
add_executable(c_user c_user.c)
target_link_libraries(c_user PRIVATE dualwrite::dualwrite)
add_executable(cpp_user cpp_user.cpp)
target_link_libraries(cpp_user PRIVATE dualwrite::headers)
find_package(dualwrite 99 QUIET)
if(dualwrite_FOUND)
  message(FATAL_ERROR "a version that is not there was found")
endif()
"""
MESON = """\
project('user', 'c', 'cpp', default_options: ['cpp_std=c++20'])
dualwrite = dependency('dualwrite', fallback: 'dualwrite',
  default_options: ['tests=false', 'programs=false', 'python=disabled'])
executable('c_user', 'c_user.c', dependencies: dualwrite, link_language: 'cpp')
executable('cpp_user', 'cpp_user.cpp',
  dependencies: dependency('dualwrite-headers', fallback: 'dualwrite'))
"""


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = Path(scratch.name)
        cls.run_here("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet",
                     "--destdir", cls.folder / "root")
        found = list((cls.folder / "root").rglob("dualwrite.pc"))
        cls.pkgconfig = found[0].parent
        cls.libraries = cls.pkgconfig.parent
        (cls.folder / "c_user.c").write_text(C_PROGRAM)
        (cls.folder / "cpp_user.cpp").write_text(CPP_PROGRAM)

    @classmethod
    def run_here(cls, *command, **environment) -> str:
        done = subprocess.run(list(map(str, command)), cwd=cls.folder, capture_output=True,
                              text=True, timeout=300, env=os.environ | environment)
        if done.returncode != 0:
            raise AssertionError(f"{command}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout

    def flags(self, package: str) -> list[str]:
        """With the folder that we installed into before each path."""
        return self.run_here("pkg-config", "--cflags", "--libs", package,
                             PKG_CONFIG_PATH=str(self.pkgconfig),
                             PKG_CONFIG_SYSROOT_DIR=str(self.folder / "root")).split()

    def check_programs(self, folder: Path) -> None:
        there = {"LD_LIBRARY_PATH": str(self.libraries)}
        self.assertRegex(self.run_here(folder / "c_user", **there), r"^version \d+\.\d+\.\d+\n$")
        self.assertEqual(self.run_here(folder / "cpp_user"), "k.t 1\n")

    def test_programs_built_by_pkg_config_run(self):
        self.run_here("cc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "c_user.c",
                      "-o", "c_user", *self.flags("dualwrite"))
        self.run_here("c++", "-std=c++20", "-fno-exceptions", "-fno-rtti", "cpp_user.cpp",
                      "-o", "cpp_user", *self.flags("dualwrite-headers"))
        self.check_programs(self.folder)

    @unittest.skipUnless(shutil.which("cmake"), "no CMake here")
    def test_programs_built_by_cmake_run(self):
        root = self.folder / "root"
        (self.folder / "CMakeLists.txt").write_text(CMAKE)
        # The files name the prefix, which here lies under a folder of its own.
        for file in (self.libraries / "cmake/dualwrite").glob("*.cmake"):
            file.write_text(file.read_text().replace('"/', f'"{root}/'))
        self.run_here("cmake", "-S", ".", "-B", "by-cmake",
                      f"-DCMAKE_PREFIX_PATH={self.libraries / 'cmake'}")
        self.run_here("cmake", "--build", "by-cmake")
        self.check_programs(self.folder / "by-cmake")

    def test_it_is_a_subproject_for_meson(self):
        user = self.folder / "user"
        (user / "subprojects").mkdir(parents=True)
        for name, text in (("meson.build", MESON), ("c_user.c", C_PROGRAM),
                           ("cpp_user.cpp", CPP_PROGRAM)):
            (user / name).write_text(text)
        (user / "subprojects/dualwrite").symlink_to(ROOT)
        said = self.run_here("meson", "setup", user / "build", user)
        self.assertRegex(said, r"Dependency dualwrite found: YES [\d.]+ \(overridden\)")
        targets = self.run_here("ninja", "-C", user / "build", "-t", "targets", "all")
        self.assertIn("subprojects/dualwrite/src/capi/libdualwrite.a", targets)
        self.assertNotIn("subprojects/dualwrite/tests", targets)
        self.run_here("ninja", "-C", user / "build", "cpp_user", "c_user.p/c_user.c.o")
        self.assertEqual(self.run_here(user / "build/cpp_user"), "k.t 1\n")

    def test_all_that_people_look_for_is_installed(self):
        root = self.folder / "root"
        names = {path.name for path in root.rglob("*")}
        for name in ("dualwrite", "dualwrite-proxy", "dualwrite-proxy.1", "dualwrite.1",
                     "dualwrite-proxy.service", "alerts.rules.yml", "grafana-dashboard.json",
                     "proxy.yaml", "dualwrite.h", "libdualwrite.a", "libdualwrite.so",
                     "dualwriteConfig.cmake", "dualwrite-headers.pc"):
            self.assertIn(name, names)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
