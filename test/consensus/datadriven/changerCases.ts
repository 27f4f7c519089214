import { type Changed, changeSimply, enterJoint, leaveJoint } from '../../../src/consensus/changer.ts';
import { describeConfiguration, describeProgress } from '../../../src/consensus/describe.ts';
import { RaftError } from '../../../src/consensus/errors.ts';
import { Tracker } from '../../../src/consensus/tracker.ts';
import type { ConfChangeSingle, ConfChangeType } from '../../../src/consensus/types.ts';
import { type Case, truth, wholeNumber } from './format.ts';

const letters: ReadonlyMap<string, ConfChangeType> = new Map([
  ['v', 'add-node'],
  ['l', 'add-learner'],
  ['r', 'remove-node'],
  ['u', 'update-node'],
]);

/** `v1 l2 r3 u4`; throws in the words of the format. */
export function parseChanges(text: string): ConfChangeSingle[] {
  return text
    .trim()
    .split(' ')
    .filter((token) => token !== '')
    .map((token) => {
      if (token.length < 2) throw new Error(`unknown token ${token}`);
      const type = letters.get(token.charAt(0));
      if (type === undefined) throw new Error(`unknown input: ${token}`);
      return { type, node: wholeNumber(token.slice(1)) };
    });
}

/** A configuration that lives through one file: each case is one more index in the log. */
export function changerFile(): (test: Case) => string {
  const tracker = new Tracker(10, 0, false);
  let lastIndex = -1;
  return ({ command, args, input }) => {
    lastIndex++;
    try {
      const { configuration, fresh } = change(tracker, command, args, parseChanges(input));
      tracker.adopt(configuration, fresh, lastIndex);
    } catch (error) {
      if (error instanceof RaftError) return `${error.message}\n`;
      throw error;
    }
    const progress = tracker.members.map((member) => `${member.id}: ${describeProgress(member.status())}\n`);
    return `${describeConfiguration(tracker.configuration)}\n${progress.join('')}`;
  };
}

function change(tracker: Tracker, command: string, args: Case['args'], changes: ConfChangeSingle[]): Changed {
  const before = tracker.configuration;
  if (command === 'simple') return changeSimply(before, changes);
  if (command === 'enter-joint') {
    const autoLeave = args.find(({ key }) => key === 'autoleave')?.values[0];
    return enterJoint(before, autoLeave !== undefined && truth(autoLeave), changes);
  }
  if (command !== 'leave-joint') throw new Error('unknown command');
  if (changes.length > 0) throw new Error('this command takes no input');
  return leaveJoint(before);
}
