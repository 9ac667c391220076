"""device: everything behind the byte stream, the same on every board and in simulation."""

from __future__ import annotations

from amaranth import Cat, Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from emulator.spec.geometry import Geometry
from hdl.bus import Decoder
from hdl.campaign import Campaign
from hdl.core import Core, core_regions
from hdl.layouts import start_layout
from hdl.link.executor import Executor
from hdl.link.receiver import Receiver
from hdl.link.transmitter import Transmitter
from hdl.queue import Queue
from hdl.registers import Registers


class Device(wiring.Component):
    """Receiver, executor, transmitter, bus, registers and core.

    Takes a byte in every cycle on ``rx_*``; ``line_error`` marks the frame under way as damaged. Answers
    on ``tx``. Resources: those of its parts; the core dominates.
    """

    def __init__(self, geometry: Geometry, *, build_id: int = 0) -> None:
        self.geometry = geometry
        self.build_id = build_id
        super().__init__(
            {
                "rx_valid": In(1),
                "rx_data": In(8),
                "line_error": In(1),
                "tx": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.receiver = receiver = Receiver(g)
        m.submodules.executor = executor = Executor(g)
        m.submodules.transmitter = transmitter = Transmitter(g)
        m.submodules.decoder = decoder = Decoder(g)
        m.submodules.registers = registers = Registers(g, self.build_id)
        m.submodules.starts = starts = Queue(start_layout(), 2)
        m.submodules.core = core = Core(g)
        wiring.connect(m, executor.bus, decoder.bus)
        wiring.connect(m, decoder.registers, registers.window)
        for name in core_regions(g):
            wiring.connect(m, getattr(decoder, name), getattr(core, name))
        if g.redraw:
            self._campaign(m, decoder, executor, registers, starts, core)
        else:
            wiring.connect(m, executor.start, starts.i)
            m.d.comb += [
                core.load.eq(executor.load),
                core.load_address.eq(executor.load_address),
                core.load_data.eq(executor.load_data),
                executor.done.eq(core.done),
            ]
        wiring.connect(m, starts.o, core.start)
        wiring.connect(m, transmitter.o, wiring.flipped(self.tx))
        m.d.comb += [
            receiver.valid.eq(self.rx_valid),
            receiver.data_in.eq(self.rx_data),
            receiver.line_error.eq(self.line_error),
            receiver.address.eq(executor.packet_address),
            receiver.release.eq(executor.packet_release),
            executor.packet_ready.eq(receiver.ready),
            executor.packet_data.eq(receiver.data),
            transmitter.begin.eq(executor.begin),
            transmitter.put.eq(executor.put),
            transmitter.data.eq(executor.put_data),
            transmitter.finish.eq(executor.finish),
            transmitter.repeat.eq(executor.repeat),
            executor.busy.eq(transmitter.busy),
            executor.inputs.eq(core.inputs),
            executor.outputs.eq(core.outputs),
            executor.result_data.eq(core.result_data),
            executor.programmed.eq(registers.program_tag.any()),
            core.result_address.eq(executor.result_address),
            core.noise_enable.eq(registers.noise_enable[0]),
            core.seed.eq(Cat(registers.seed_low, registers.seed_high)),
            registers.events.eq(core.events),
            registers.link.eq(receiver.events),
            registers.sequence_error.eq(executor.sequence_error),
        ]
        return m

    def _campaign(
        self,
        m: Module,
        decoder: Decoder,
        executor: Executor,
        registers: Registers,
        starts: Queue,
        core: Core,
    ) -> None:
        """While a campaign is busy the core is its own; the executor then starts nothing."""
        m.submodules.campaign = campaign = Campaign(self.geometry)
        for name, window in (
            ("campaign_inputs", campaign.input_window),
            ("labels", campaign.label_window),
            ("votes", campaign.vote_window),
            ("correct", campaign.correct_window),
        ):
            wiring.connect(m, getattr(decoder, name), window)
        busy = campaign.busy
        for field in ("first_chip", "chips", "images", "draws", "first_index"):
            m.d.comb += getattr(campaign, field).eq(getattr(registers, f"campaign_{field}"))
        for field in ("stuck_low", "stuck_high", "stuck_codes"):
            m.d.comb += getattr(core.redraw, field).eq(getattr(registers, field))
        m.d.comb += [
            campaign.run.eq(registers.campaign_control[0]),
            campaign.abort.eq(registers.campaign_control[1]),
            campaign.inputs.eq(core.inputs),
            campaign.bank.eq(executor.bank),
            campaign.input_done.eq(core.input_done),
            campaign.logit.eq(core.logit),
            campaign.redraw_busy.eq(core.redraw.busy),
            core.redraw.start.eq(campaign.redraw),
            core.redraw.nominal.eq(campaign.nominal),
            core.stream.eq(campaign.stream),
            core.load.eq(Mux(busy, campaign.load, executor.load)),
            core.load_address.eq(Mux(busy, campaign.load_address, executor.load_address)),
            core.load_data.eq(Mux(busy, campaign.load_data, executor.load_data)),
            starts.i.valid.eq(Mux(busy, campaign.start.valid, executor.start.valid)),
            starts.i.payload.eq(Mux(busy, campaign.start.payload, executor.start.payload)),
            campaign.start.ready.eq(busy & starts.i.ready),
            executor.start.ready.eq(~busy & starts.i.ready),
            executor.done.eq(core.done & ~busy),
            executor.campaign_busy.eq(busy),
            executor.campaign_started.eq(campaign.start.valid & campaign.start.ready),
            executor.campaign_done.eq(core.done & busy),
            registers.campaign_busy.eq(busy),
            registers.campaign_chips_done.eq(campaign.chips_done),
            registers.redrawing.eq(core.redraw.busy),
        ]
