"""Writes down the schedules of PyTorch (torch.distributed.pipelining), as its CSV form has them.

Reads [{"kind": KIND, "groups": P, "virtualStages": V, "microbatches": M}] from standard input; writes [[ROW, …] for each]: one row a
rank, as `_dump_csv` writes the actions of the compute.
"""
import json, sys
from torch.distributed.pipelining import schedules

classes = {
    'gpipe': schedules.ScheduleGPipe,
    '1f1b': schedules.Schedule1F1B,
    'interleaved': schedules.ScheduleInterleaved1F1B,
    # With one stage a rank it is the ZB1P of the paper, whose order is ZB-H1's.
    'zb-h1': schedules.ScheduleInterleavedZeroBubble,
    'zb-v': schedules.ScheduleZBVZeroBubble,
    'dualpipe-v': schedules.ScheduleDualPipeV,
}


class Stage:
    """What the generators ask of a stage; nothing of it is run."""

    def __init__(self, groups, stages):
        self.group_size, self.num_stages, self.group_rank, self.stage_index = groups, stages, 0, 0
        self.has_backward, self.submod = True, None


made = []
for asked in json.load(sys.stdin):
    groups, legs = asked['groups'], asked['virtualStages']
    schedule = classes[asked['kind']]
    if issubclass(schedule, schedules.PipelineScheduleSingle):
        made_by = schedule(Stage(groups, groups), asked['microbatches'])
    else:
        made_by = schedule([Stage(groups, groups * legs) for _ in range(legs)], asked['microbatches'])
    order = made_by.pipeline_order
    if schedule is schedules.Schedule1F1B:
        # The last rank's forwards count from 1 there, in the table alone: it runs them from 0 on.
        order[groups - 1] = [
            action._replace(microbatch_index=action.microbatch_index - 1)
            if action is not None and action.computation_type == schedules.FORWARD
            else action
            for action in order[groups - 1]
        ]
    made.append([','.join('' if action is None else str(action) for action in order[rank]) for rank in range(groups)])
json.dump(made, sys.stdout)
