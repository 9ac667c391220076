"""What holds for every test."""

from __future__ import annotations

import gc
import signal

import pytest

# A job in the background has SIGINT ignored, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Designs and arrays live long: looking for garbage among them again and again is a twelfth of a run.
gc.set_threshold(50_000, 20, 100)

LONG = (
    "hdl/test_core.py::test_core_of_lane_groups_equals_golden",
    "hdl/test_core.py::test_core_without_registers_for_speed_equals_golden",
    "hdl/test_core.py::test_core_equals_golden[slice-parallel",
    "hdl/test_core.py::test_core_equals_golden[bare",
    "hdl/test_core.py::test_core_equals_golden[one-readout-odd-lanes",
    "hdl/test_core.py::test_core_equals_golden[all-readouts-skip",
    "hdl/test_core.py::test_small_core_equals_golden[two-lanes-compact",
    "hdl/test_geometries.py::test_extreme_images_equal_golden[overlap-slice-parallel",
    "hdl/test_geometries.py::test_extreme_images_equal_golden[compact",
    "hdl/test_resume.py",
    "hdl/walk/test_walk_blocks.py::test_all_small_shapes",
    "hdl/ethernet/test_pins.py::test_the_driver_through_the_pins",
    "hdl/test_top.py::test_top_through_its_pins",
    "host/pcie/test_driver.py",
    "system/test_campaign.py::test_shipped_network_twenty_chips",
    "system/test_campaign.py::test_random_networks_vote_as_golden",
    "system/test_garbage.py",
    "system/test_lenet5.py::test_every_bit_of_the_gateware_is_the_golden_models",
    "system/test_serve.py::test_evaluate_through_the_terminal",
    "system/test_sim.py::test_a_program_larger_than_the_usual_array",
    "system/test_demo.py::test_demo[sim",
    "system/test_sim.py::test_shipped_network_at_8_and_64_lanes",
    "system/test_small.py",
    "boards/test_build.py::test_the_fastest_seed_is_kept_and_a_clock_not_reached_leaves_no_bitstream",
    "docs/test_examples.py::test_help_examples[bringup",
    "docs/test_examples.py::test_help_examples[calibrate",
    "docs/test_examples.py::test_help_examples[demo",
    "docs/test_examples.py::test_help_examples[evaluate",
    "docs/test_examples.py::test_help_examples[explain",
    "docs/test_examples.py::test_help_examples[infer",
    "docs/test_examples.py::test_help_examples[report",
    "docs/test_examples.py::test_help_examples[serve",
    "docs/test_examples.py::test_help_examples[trace",
    "docs/test_blocks.py::test_its_code_runs[tutorial.md]",
    "docs/test_blocks.py::test_its_code_runs[howto/bringup.md]",
    "docs/test_blocks.py::test_its_code_runs[training.md]",
    "docs/test_any_model.py::test_a_model_runs_on_a_die[resnet",
    "proofs/test_sequencer.py",
    "proofs/test_crc.py::test_step_equals_eight_serial_steps",
    "proofs/test_streams.py::test_holds[queue",
    "proofs/test_readout.py::test_for_every_value[converter",
    "system/test_sim.py::test_a_chip_without_converters_inside",
    "system/test_sim.py::test_efficiency_at_64_lanes",
    "boards/test_netlist.py::test_what_shapes_the_gateware_changes_it[hdl/device/watchdog",
    "hdl/test_blocks.py::test_block_without_registers_for_speed_equals_golden[readout",
    "hdl/test_blocks.py::test_block_without_registers_for_speed_equals_golden[sequencer",
    "hdl/test_blocks.py::test_noise_ahead_of_passes_equals_golden[16-8",
    "hdl/test_blocks.py::test_noise_of_slices_equals_golden[16",
    "hdl/test_blocks.py::test_readout_back_to_back_equals_golden[16",
    "hdl/test_blocks.py::test_redraw_of_more_or_fewer_columns_at_once[4",
    "hdl/test_simulate.py::test_a_netlist_is_compiled_as_verilog",
    "ndrite/test_any_network.py::test_explain[lenet5",
    "ndrite/test_any_network.py::test_report[lenet5",
    "ndrite/test_any_network.py::test_sweep[lenet5",
    "ndrite/test_bringup.py::test_the_line_about_a_fault_fails[arithmetic",
    "ndrite/test_bringup.py::test_the_line_about_a_fault_fails[build",
    "ndrite/test_bringup.py::test_the_line_about_a_fault_fails[memory",
    "ndrite/test_experiments.py::test_smoke[ecram",
    "ndrite/test_experiments.py::test_smoke[kan",
    "ndrite/test_experiments.py::test_smoke[recovery",
    "proofs/test_cobs.py::test_injected_encoder_bug_is_found[begin",
    "proofs/test_cobs.py::test_injected_encoder_bug_is_found[full",
    "proofs/test_neuron.py::test_injected_bug_is_found[voltage-coarse",
    "proofs/test_neuron.py::test_injected_bug_is_found[voltage-fine",
    "proofs/test_neuron.py::test_injected_bug_is_found[voltage-half",
    "proofs/test_readout.py::test_injected_bug_is_found[converter-((11",
    "proofs/test_readout.py::test_injected_bug_is_found[converter-beyond",
    "proofs/test_readout.py::test_injected_bug_is_found[converter-clipped",
    "proofs/test_readout.py::test_injected_bug_is_found[converter-near",
    "proofs/test_readout.py::test_injected_bug_is_found[converter-negative",
    "proofs/test_readout.py::test_injected_bug_is_found[converter-unmerged",
    "proofs/test_receiver.py::test_injected_bug_is_found[(no_room",
    "proofs/test_registers.py::test_holds[reads",
    "proofs/test_receiver.py::test_injected_bug_is_found[broken",
    "proofs/test_receiver.py::test_injected_bug_is_found[lost",
    "proofs/test_receiver.py::test_injected_bug_is_found[right",
    "proofs/test_receiver.py::test_injected_bug_is_found[whole",
    "system/test_serve.py::test_calibrate_through_the_terminal",
    "trust/test_link_faults.py::test_no_wrong_number_from_a_damaged_link[0.01",
    "hdl/pcie/test_endpoint.py::test_endpoint",
    "hdl/pcie/test_endpoint.py::test_dma[16-512",
    "boards/test_library.py::test_a_damaged_object_is_compiled_again",
    "boards/test_library.py::test_verilators_own_objects_are_compiled_once_for_all_designs",
    "boards/test_reports.py::test_the_netlist_tells_boards_apart_by_what_shapes_their_rtl",
    "boards/test_build.py::test_the_tool_finds_nothing_wrong_with_the_clock",
    "boards/test_netlist.py::test_what_shapes_the_gateware_changes_it[emulator/spec/registers",
    "boards/test_reports.py::test_a_report_says_whether_it_is_of_this_gateware[colorlight",
    "boards/test_reports.py::test_a_report_says_whether_it_is_of_this_gateware[ecp5",
    "boards/test_reports.py::test_a_report_says_whether_it_is_of_this_gateware[tang-nano-20k",
    "boards/test_reports.py::test_a_report_says_whether_it_is_of_this_gateware[ulx3s",
    "trust/test_datagram_faults.py::test_no_wrong_number_from_faulty_datagrams[0.1",
    "boards/test_stepped.py::test_random_programs_in_segments_are_the_golden_model[2",
    "boards/test_stepped.py::test_random_programs_in_segments_are_the_golden_model[3",
    "docs/test_any_model.py::test_a_model_runs_on_a_die[unet",
    "docs/test_any_model.py::test_every_product_of_the_gateware_is_the_golden_models",
    "ndrite/test_replicate.py::test_a_users_folder_is_run[neurram-resnet",
    "ndrite/test_replicate.py::test_a_users_folder_is_run[neurram-lstm",
    "ndrite/test_sweep.py::test_killed_worker_then_killed_client_then_resumed",
    "ndrite/test_experiments.py::test_smoke[adaptation",
    "ndrite/test_experiments.py::test_smoke[loss",
    "ndrite/test_experiments.py::test_smoke[shapes",
    "ndrite/test_experiments.py::test_smoke[valley",
    "ndrite/test_experiments.py::test_committed_tables_are_of_their_runs[kan",
    "ndrite/test_experiments.py::test_committed_tables_are_of_their_runs[loss",
    "emulator/network/zoo/test_resnet.py::test_what_two_dies_lose",
    "emulator/network/zoo/test_resnet.py::test_float_accuracy_on_the_whole_test_set",
)
"""Starts of the ids of tests that compile, simulate or prove for long: `make test-long` runs them. Each has a
shorter relative that stays."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long ones."""
    for item in items:
        if item.nodeid.removeprefix("tests/").startswith(LONG):
            item.add_marker(pytest.mark.long)
