"""accelerator: bus, registers, core and campaigns: everything except the link, which
is the bus master."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.campaign.campaign import Campaign
from ndrite.hdl.core.core import Core
from ndrite.hdl.core.ports import core_regions
from ndrite.hdl.device.registers import RUN, STUCK, Registers
from ndrite.hdl.device.watchdog import Watchdog
from ndrite.hdl.link.receiver import LINK_EVENT_LAYOUT
from ndrite.hdl.parts.bus import Decoder, connect_bus, host_interface, load_members
from ndrite.hdl.parts.layouts import by_name, connect_windows, members, start_layout
from ndrite.hdl.parts.pipeline import Queue, delayed
from ndrite.hdl.parts.target import is_small
from ndrite.hdl.small.core import SmallCore
from ndrite.hdl.walk.walker import Walker


class Accelerator(wiring.Component):
    """Everything that a link drives through its port ``master``: bus, registers, core
    and, if the geometry has virtual chips, measurement campaigns.

    ``link`` and ``sequence_error`` are counted for a link of packets. The watchdog
    resets a core that makes no progress, except for its memories; the chip then
    counts as not programmed. After a reset of the clock domain, however short, the
    same reset lasts until pipelines are empty; requests wait meanwhile. Its instance
    is called ``machine`` in waveforms and floorplans. Resources: those of its parts;
    the core dominates.
    """

    def __init__(self, geometry: Geometry, *, build_id: int = 0) -> None:
        self.geometry = geometry
        self.build_id = build_id
        super().__init__(
            {
                "master": In(host_interface(geometry)),
                "link": In(LINK_EVENT_LAYOUT),
                "sequence_error": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        master = self.master
        m.submodules.decoder = decoder = Decoder(g)
        m.submodules.registers = registers = Registers(g, self.build_id)
        m.submodules.watchdog = watchdog = Watchdog(g)
        # The walker of a program with feature maps starts an inference in every bank
        # without checking for room, so this queue has an entry for each bank.
        starts = Queue(start_layout(g), g.banks if g.map_codes else 2)
        core = SmallCore(g) if is_small(platform) else Core(g)
        restart = ResetInserter(watchdog.reset)
        m.submodules.starts = restart(starts)
        m.submodules.core = restart(core)
        connect_bus(m, master.bus, decoder.bus, watchdog.reset)
        wiring.connect(m, decoder.registers, registers.window)
        connect_windows(m, decoder, core, core_regions(g))
        start: Any = wiring.flipped(master.start)
        loads = members(master, load_members(g, In))
        started, inputs, walking = starts.i.valid & starts.i.ready, core.inputs, Const(0)
        done: Value = core.done
        if g.map_codes:
            m.submodules.walker = walker = restart(Walker(g))
            start, loads, walking = self._walk(m, walker, decoder, core, loads)
            started, inputs = Mux(walking, walker.began, started), Mux(walking, walker.inputs, inputs)
            done = Mux(walking, walker.finished, done)
            m.d.comb += watchdog.going_on.eq(walker.going_on)
        if g.redraw:
            loads = self._campaign(m, registers, starts, core, start, loads)
        else:
            wiring.connect(m, start, starts.i)
        # One pipeline register, since the source of the codes is far away on the die.
        # The extra cycle does no harm: starting an inference takes longer.
        m.d.sync += [port.eq(loads[name]) for name, port in members(core, loads).items()]
        if g.overlap:
            m.d.comb += master.input_done.eq(core.input_done & ~master.campaign_busy & ~walking)
        wiring.connect(m, starts.o, core.start)
        m.d.comb += [
            watchdog.started.eq(started),
            watchdog.done.eq(done),
            master.done.eq(done & ~master.campaign_busy),
            master.hung.eq(watchdog.hung | watchdog.reset),
            registers.hung.eq(watchdog.hung),
            master.inputs.eq(inputs),
            *by_name(master, core, "outputs", "result_data"),
            master.programmed.eq(registers.program_tag.any()),
            core.result_address.eq(master.result_address),
            core.noise_enable.eq(registers.noise_enable[0]),
            core.seed.eq(Cat(registers.seed_low, registers.seed_high)),
            *by_name(registers, self, "link", "sequence_error"),
        ]
        m.d.comb += registers.events.eq(core.events)
        if g.map_codes:
            m.d.comb += [
                registers.events.started.eq(Mux(walking, walker.began, core.events.started)),
                registers.events.done.eq(done),
                registers.more_done.eq(core.done & ~done),
            ]
        return m

    def _walk(
        self, m: Module, walker: Walker, decoder: Decoder, core: Core, loads: dict[str, Value]
    ) -> tuple[Any, dict[str, Value], Value]:
        """Connect the walker. Return the ``start`` stream and the load signals that the
        core gets in place of the master's, and whether the program has feature maps (so
        that the walker executes it step by step)."""
        g, master = self.geometry, self.master
        wiring.connect(m, decoder.steps, walker.steps_window)
        wiring.connect(m, decoder.operand, walker.operand_window)
        wiring.connect(m, walker.second, core.second)
        walking = walker.walking
        # Packets, maps and banks are far apart on the die: one pipeline register.
        loads = {name: delayed(m, value, 1, name) for name, value in loads.items()}
        sample_load = delayed(m, master.sample_load, 1, "sample_load")
        sample_word = delayed(m, master.sample_word, 1, "sample_word")
        sample_code = delayed(m, master.sample_code, 1, "sample_code")
        start = stream.Signature(start_layout(g)).create()
        # ``may`` is one cycle old, since its source is far away on the die; this is
        # safe because two starts never follow each other directly.
        may, start_accepted = Signal(), Signal()
        m.d.sync += may.eq(Mux(walking, walker.start.ready, start.ready) & ~start_accepted)
        m.d.comb += [
            master.walking.eq(walking),
            *by_name(master, walker, "copying", "samples_max"),
            walker.samples.eq(master.samples),
            walker.sample_load.eq(sample_load & walking.replicate(len(sample_load))),
            walker.sample_word.eq(sample_word),
            walker.sample_code.eq(sample_code),
            start_accepted.eq(master.start.valid & may),
            master.start.ready.eq(may),
            walker.start.valid.eq(start_accepted & walking),
            walker.start.payload.eq(master.start.payload),
            start.valid.eq(Mux(walking, walker.launch.valid, start_accepted)),
            start.payload.eq(Mux(walking, walker.launch.payload, master.start.payload)),
            walker.launch.ready.eq(1),
            *by_name(walker, core, "input_done", "activation"),
            core.walking.eq(walking),
            core.walk_begins.eq(walker.began),
            core.walk_bank.eq(master.start.payload.bank),
            *([core.turn.eq(walker.turn)] if g.neurons > 1 else []),
            walker.done.eq(core.done),
        ]
        own_loads = members(walker, loads)
        merged = {name: Mux(walking, own_loads[name], value) for name, value in loads.items()}
        return start, merged, walking

    def _campaign(
        self, m: Module, registers: Registers, starts: Queue, core: Core, start: Any, loads: dict[str, Value]
    ) -> dict[str, Value]:
        """Connect the campaign; while it runs, no other block starts inferences on the
        core. Return the load signals that the core gets."""
        master, decoder, watchdog = self.master, m.submodules.decoder, m.submodules.watchdog
        campaign = Campaign(self.geometry)
        m.submodules.campaign = ResetInserter(watchdog.reset)(campaign)
        for region, window in (
            (decoder.campaign_inputs, campaign.input_window),
            (decoder.labels, campaign.label_window),
            (decoder.votes, campaign.vote_window),
            (decoder.correct, campaign.correct_window),
        ):
            wiring.connect(m, region, window)
        busy = campaign.busy
        settings = members(registers, [f"campaign_{name}" for name in RUN])
        m.d.comb += [port.eq(settings[f"campaign_{name}"]) for name, port in members(campaign, RUN).items()]
        m.d.comb += [
            *by_name(core.redraw, registers, *STUCK),
            watchdog.campaign_busy.eq(busy),
            campaign.run.eq(registers.campaign_control[0]),
            campaign.abort.eq(registers.campaign_control[1]),
            campaign.inputs.eq(core.inputs),
            campaign.bank.eq(master.bank),
            *by_name(campaign, core, "input_done", "logit"),
            campaign.redraw_busy.eq(core.redraw.busy),
            core.redraw.start.eq(campaign.redraw),
            core.redraw.nominal.eq(campaign.nominal),
            core.stream.eq(campaign.stream),
            starts.i.valid.eq(Mux(busy, campaign.start.valid, start.valid)),
            starts.i.payload.eq(Mux(busy, campaign.start.payload, start.payload)),
            campaign.start.ready.eq(busy & starts.i.ready),
            start.ready.eq(~busy & starts.i.ready),
            master.campaign_busy.eq(busy),
            master.campaign_started.eq(campaign.start.valid & campaign.start.ready),
            master.campaign_done.eq(core.done & busy),
            registers.campaign_busy.eq(busy),
            registers.campaign_chips_done.eq(campaign.chips_done),
            registers.redrawing.eq(core.redraw.busy),
        ]
        own_loads = members(campaign, loads)
        return {name: Mux(busy, own_loads[name], value) for name, value in loads.items()}
