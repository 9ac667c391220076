"""Opens the board that a URL names."""

from collections.abc import Callable
from functools import partial

from ndrite.boards.board import Board
from ndrite.boards.learning import LearningBoard
from ndrite.boards.stepped import SteppedBoard
from ndrite.emulator.spec import PRESETS, Geometry
from ndrite.host import BoardApi, InputError
from ndrite.host.links import Link
from ndrite.host.links.uart import DEFAULT_BAUD, UartLink

FORMS = (
    "golden:[PRESET], sim:[PRESET], uart:PORT[@BAUD], udp:HOST[:PORT], sim-udp:[PRESET], "
    "pcie:DDDD:BB:DD.F, pcie-sim:[PRESET]"
)
DEFAULT_PRESET = "64-lane"


def urls(board: object) -> tuple[str, ...]:
    """Return the URLs in ``board``, which is one URL or several, as a list. Raises InputError if one of them
    is not a URL."""
    boards = (board,) if isinstance(board, str) else tuple(board) if isinstance(board, list | tuple) else ()
    if not boards or not all(isinstance(url, str) for url in boards):
        raise InputError(f"board is {board!r}; accepted: a URL or several, {FORMS}")
    return boards


def connect(url: str) -> BoardApi:
    """Open the board at a URL.

    Parameters
    ----------
    url:
        ``golden:`` the bit-exact model, any program; ``golden:PRESET`` only what that geometry holds.
        ``sim:`` the RTL, compiled for this machine when it is not in the cache, as large as the program
        programmed needs; ``sim:PRESET`` in that geometry.
        ``uart:PORT[@BAUD]`` gateware on a serial port, a pseudo-terminal of ``ndrite board serve``, or any
        pyserial URL (``uart:socket://host:port``).
        ``udp:HOST[:PORT]`` gateware on Ethernet, or ``ndrite board serve --udp``.
        ``sim-udp:`` or ``sim-udp:PRESET`` the same driver on the compiled gateware, sized alike.
        ``pcie:0000:03:00.0`` a card at that PCI address; never used with hardware.
        ``pcie-sim:`` or ``pcie-sim:PRESET`` the same driver on the compiled endpoint, sized alike.

    Raises
    ------
    InputError
        The URL or the preset's name is none of these.
    LinkError
        The port cannot be opened, another host has the board, or the simulation cannot be built.
    LinkTimeout, IdentityError
        Nothing answers, or something this host cannot drive.
    """
    if not isinstance(url, str):
        raise InputError(f"board URL is {url!r}; accepted: {FORMS}")
    scheme, colon, address = url.partition(":")
    kind = scheme + colon
    if kind == "golden:":
        from ndrite.boards.golden import GoldenBoard

        return GoldenBoard(preset(address) if address else None)
    if kind in ("sim:", "sim-udp:"):
        from ndrite.boards.sim import SimLink, SizedBoard
        from ndrite.boards.sim.udp import sim_udp_link

        link: Callable[..., Link] = SimLink if kind == "sim:" else sim_udp_link
        of_need = None if address else SizedBoard.of_links(link, partial(link, learns=True))
        return SteppedBoard(of_need or Board(link(preset(address))))
    if kind in ("uart:", "udp:") and address:
        return SteppedBoard(Board(UartLink(*_port(address)) if kind == "uart:" else _udp_link(address)))
    if kind == "pcie-sim:" or (kind == "pcie:" and address):
        from ndrite.boards.sim import SizedBoard
        from ndrite.boards.sim.pcie import SimCard
        from ndrite.host.links.pcie import PcieChannel, open_card

        if not address:
            return SteppedBoard(SizedBoard(lambda geometry: PcieChannel(SimCard(geometry)), maps=False))
        card = open_card(address) if kind == "pcie:" else SimCard(preset(address))
        return SteppedBoard(Board.over(PcieChannel(card)))
    raise InputError(f"board URL is {url!r}; accepted: {FORMS}")


def connect_learner(url: str) -> BoardApi | LearningBoard:
    """Open a board that learns. The gateware of a board on Ethernet (``udp:``) is built either to learn or to
    infer."""
    scheme, _, address = url.partition(":")
    return LearningBoard(_udp_link(address)) if scheme == "udp" and address else connect(url)


def _udp_link(address: str) -> Link:
    from ndrite.host.links.udp import UdpLink, UdpSocket, udp_address

    socket = UdpSocket(*udp_address(address))
    return UdpLink(socket, name=f"udp:{socket.name}")


def preset(name: str) -> Geometry:
    """Return an array geometry preset by name. Raises InputError, which lists the presets, for an unknown
    name."""
    if name not in PRESETS:
        raise InputError(f"geometry preset is {name!r}; accepted: {', '.join(PRESETS)}")
    return PRESETS[name]


def _port(rest: str) -> tuple[str, int]:
    port, separator, baud = rest.rpartition("@")
    if separator and port and baud.isdecimal() and int(baud):
        return port, int(baud)
    return rest, DEFAULT_BAUD
