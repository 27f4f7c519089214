import { stemeChecks } from '../../../src/checkers/stemedb/index.ts';
import { goodStory, type Story } from './story.ts';

/** Messages of the violations that the check of this number finds in a story. */
export function violationsOf(number: string, story: Story): string[] {
  const check = stemeChecks.find((candidate) => candidate.number === number);
  if (check === undefined) throw new Error(`no check ${number}`);
  return check.run(story.evidence).violations.map((violation) => violation.message);
}

/** A good story with something wrong in it. */
export function bent(bend: (story: Story) => void): Story {
  const story = goodStory();
  bend(story);
  return story;
}

/** The element at this place, from the end if negative; it must be there. */
export function nth<T>(list: readonly T[], index: number): T {
  const value = list.at(index);
  if (value === undefined) throw new Error(`no element ${index}`);
  return value;
}
