"""Collectives are read from the text of a compiled program, as CPU, v5e and v5p write it."""

from __future__ import annotations

import textwrap

from tests.hlo import Collective, count_collectives, read_collectives


def entry(*lines: str) -> str:
    body = "\n".join(f"  {line}" for line in lines)
    return f"ENTRY %main.1 (p0: bf16[4,8]) -> bf16[32,8] {{\n{body}\n}}\n"


def test_a_collective_has_a_kind_and_result_shapes() -> None:
    program = entry(
        "%p0 = bf16[4,8]{1,0:T(8,128)(2,1)} parameter(0)",
        "%all-gather.1 = bf16[32,8]{1,0:T(8,128)(2,1)S(1)} all-gather(%p0), channel_id=1, "
        "dimensions={0}",
        "ROOT %reduce-scatter.2 = f32[4,8]{1,0} reduce-scatter(%all-gather.1), channel_id=2",
    )
    assert read_collectives(program) == [
        Collective("all-gather", ((32, 8),)),
        Collective("reduce-scatter", ((4, 8),)),
    ]


def test_several_arrays_in_one_exchange_are_all_listed() -> None:
    program = entry(
        "%all-reduce.3 = (f32[]{:T(128)}, f32[16]{0:T(1024)S(1)}, /*index=2*/bf16[2,8]{1,0}) "
        "all-reduce(%a, %b, /*index=2*/%c), channel_id=9, to_apply=%add"
    )
    (found,) = read_collectives(program)
    assert found == Collective("all-reduce", ((), (16,), (2, 8)))
    assert found.elements == 1 + 16 + 16


def test_operands_named_after_a_collective_do_not_count() -> None:
    program = entry(
        "%fusion.4 = bf16[32,8]{1,0} fusion(%all-gather.1), kind=kLoop, calls=%fused.4",
        "%get-tuple-element.5 = f32[] get-tuple-element(%all-reduce.3), index=0",
    )
    assert read_collectives(program) == []


def test_an_asynchronous_one_counts_at_its_start() -> None:
    program = entry(
        "%collective-permute-start.1 = (bf16[4,8]{1,0}, bf16[4,8]{1,0}, u32[]{:S(2)}) "
        "collective-permute-start(%p0), channel_id=3",
        "ROOT %done = bf16[4,8]{1,0} collective-permute-done(%collective-permute-start.1)",
    )
    assert count_collectives(program) == {"collective-permute": 1}


def test_a_gather_that_overlaps_matrix_products_counts_once() -> None:
    inside = textwrap.dedent(
        """\
        %async_collective_fusion.{0} (param_0.1: bf16[4,8]) -> bf16[32,8] {{
          %param_0.1 = bf16[4,8]{{1,0}} parameter(0)
          ROOT %all-gather.{0} = bf16[32,8]{{1,0}} all-gather(%param_0.1), channel_id=80
        }}

        """
    )
    program = inside.format(148) + inside.format(150) + inside.format(152) + entry()
    assert read_collectives(program) == [Collective("all-gather", ((32, 8),))]


def test_an_all_reduce_fused_with_a_slice_is_a_reduce_scatter() -> None:
    program = textwrap.dedent(
        """\
        %all-reduce-scatter.clone.1 (input.8: f32[1024,96]) -> f32[128,96] {
          %input.8 = f32[1024,96]{1,0:T(8,128)S(1)} parameter(0)
          %all-reduce.65 = f32[1024,96]{1,0:T(8,128)} all-reduce(%input.8), channel_id=17
          %partition-id.35 = u32[] partition-id()
          %multiply.149 = u32[]{:T(128)} multiply(%partition-id.35, %constant.1029)
          %constant.1030 = u32[] constant(0)
          ROOT %dynamic-slice.254 = f32[128,96]{1,0} dynamic-slice(%all-reduce.65, %multiply.149)
        }

        """
    ) + entry("%fusion.402 = f32[128,96] fusion(%x), calls=%all-reduce-scatter.clone.1")
    assert read_collectives(program) == [Collective("reduce-scatter", ((128, 96),))]


PLACED = textwrap.dedent(
    """\
    %fused.284 (param_0.1: bf16[32,8], param_1.1: u32[], param_2.1: bf16[4,8]) -> bf16[32,8] {
      %param_0.1 = bf16[32,8]{1,0} parameter(0)
      %param_2.1 = bf16[4,8]{1,0} parameter(2)
      %param_1.1 = u32[]{:T(128)S(6)} parameter(1)
      ROOT %dynamic-update-slice.1 = bf16[32,8] dynamic-update-slice(%param_0.1, %param_2.1, %z)
    }

    """
)
SUMMED = (
    "%fusion.1 = bf16[32,8]{1,0} fusion(%base, %offset, %p0), kind=kLoop, calls=%fused.284",
    "%copy-start.1 = (bf16[32,8]{1,0:S(1)}, bf16[32,8]{1,0}, u32[]) copy-start(%fusion.1)",
    "%copy-done.1 = bf16[32,8]{1,0:S(1)} copy-done(%copy-start.1)",
    "%all-reduce.1 = bf16[32,8]{1,0} all-reduce(%copy-done.1), channel_id=59, to_apply=%add.9",
)


def test_shards_written_into_zeros_and_summed_are_a_gather() -> None:
    program = PLACED + entry("%base = bf16[32,8]{1,0} broadcast(%zero), dimensions={}", *SUMMED)
    assert read_collectives(program) == [Collective("all-gather", ((32, 8),))]


def test_shards_are_gathered_without_a_fusion_too() -> None:
    program = entry(
        "%base = s32[64,512]{1,0} broadcast(%constant.1), dimensions={}",
        "%part = s32[64,512]{1,0} dynamic-update-slice(%base, %p0, %i, %constant.2)",
        "%all-reduce.39 = s32[64,512]{1,0} all-reduce(%part), channel_id=72, to_apply=%add.24",
    )
    assert count_collectives(program) == {"all-gather": 1}


def test_an_array_that_was_full_before_is_summed() -> None:
    program = PLACED + entry("%base = bf16[32,8]{1,0} convolution(%a, %b)", *SUMMED)
    assert count_collectives(program) == {"all-reduce": 1}


def test_gradients_that_come_with_a_gathered_array_are_summed() -> None:
    program = PLACED + entry(
        "%base = bf16[32,8]{1,0} broadcast(%zero), dimensions={}",
        *SUMMED[:-1],
        "%gradient = bf16[32,8]{1,0} convolution(%a, %b)",
        "%all-reduce.1 = (bf16[32,8], bf16[32,8]) all-reduce(%copy-done.1, %gradient)",
    )
    assert count_collectives(program) == {"all-reduce": 1}
