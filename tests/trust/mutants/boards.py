"""Simulated boards: what their cache goes by, keeps and drops."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

LIBRARY = ("tests/boards/test_library.py",)
NETLIST = ("tests/boards/test_netlist.py",)

MUTANTS = (
    Mutant(
        "boards/fpga/synthesis.py",
        'return script(board) + (SOFT.read_text() if board.soft_multipliers else "")',
        "return script(board)",
        "a report stands although the multiplier made of LUTs is another",
        ("tests/boards/test_reports.py::test_what_yosys_does_counts_as_much_as_the_netlist",),
    ),
    Mutant(
        "boards/netlist.py",
        'SOURCES = ("hdl", "emulator.spec", "boards")',
        'SOURCES = ("hdl", "boards")',
        "netlists are remembered without the sources of emulator.spec",
        NETLIST,
    ),
    Mutant(
        "boards/netlist.py",
        "rtlil(make(0), platform)",
        "rtlil(make(0), platform).split('module', 2)[0]",
        "the build id is not of the whole netlist",
        NETLIST,
    ),
    Mutant(
        "boards/netlist.py",
        'name="top", emit_src=False)',
        'name="top")',
        "a line moved changes the build id",
        NETLIST,
    ),
    Mutant(
        "boards/netlist.py",
        '"\\\\port$" + str(numbers.setdefault(name[0], len(numbers)))',
        "name[0]",
        "names keep Amaranth's numbers",
        NETLIST,
    ),
    Mutant(
        "boards/sim/build.py",
        '{tools}".encode() + harnesses)',
        '{tools}".encode())',
        "the harness is not in a library's key",
        LIBRARY,
    ),
    Mutant("boards/cache.py", "times.pop(newest, None)", "pass", "the newest library is dropped", LIBRARY),
    Mutant(
        "boards/sim/build.py",
        "    if not is_whole(library):\n        with locked",
        "    if not library.exists():\n        with locked",
        "a cut library is loaded",
        LIBRARY,
    ),
    Mutant(
        "boards/sim/compile.py",
        "if not is_whole(target):",
        "if not target.exists():",
        "an empty object is linked for ever",
        LIBRARY,
    ),
    Mutant(
        "boards/cache.py",
        "                shutil.rmtree(left, ignore_errors=True)\n                lock.unlink()\n",
        "                pass\n",
        "what killed builds left stays",
        LIBRARY,
    ),
    Mutant(
        "boards/cache.py",
        "if _is(file, path):",
        "if True:",
        "two hold a lock whose file was dropped",
        LIBRARY,
    ),
    Mutant(
        "boards/sim/build.py",
        "    except OSError as error:\n",
        "    except ZeroDivisionError as error:\n",
        "a cache that cannot be written is no error of the device",
        LIBRARY,
    ),
    Mutant(
        "tests/hdl/simulate.py",
        "    source.write_text(renumbered(rtlil(component, platform)))",
        "    source.write_text(rtlil(component, platform))",
        "benches keep Amaranth's numbers",
        ("tests/hdl/test_simulate.py",),
    ),
)
