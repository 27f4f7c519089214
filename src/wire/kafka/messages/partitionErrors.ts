import { array, int16, int32, string, struct } from '../schema/types.ts';

/** What became of each partition, a topic at a time: the same in all that commit or delete a group's offsets. */
export const partitionErrors = array(
  struct({ name: string, partitions: array(struct({ partitionIndex: int32, errorCode: int16 })) }),
);
