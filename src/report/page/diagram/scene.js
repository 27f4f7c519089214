// What the diagram shows beside messages and operations: bands over the lanes of the machines, and marks on them.
(() => {
  const { hotfire } = globalThis;
  const { diagram } = hotfire;

  const isUp = (state) => state === 'up';

  /** Stretches of one state of each machine; before the first change it is stopped. */
  const stateBands = (states, endMs) => {
    const bands = [];
    const open = new Map();
    for (const { atMs, node, state } of states) {
      const before = open.get(node) ?? { node, state: 'stopped', startMs: 0 };
      if (atMs > before.startMs) bands.push({ ...before, endMs: atMs });
      open.set(node, { node, state, startMs: atMs });
    }
    for (const last of open.values()) bands.push({ ...last, endMs });
    return bands.filter(({ state }) => !isUp(state));
  };

  const STATE_OF = { start: 'up', crash: 'crashed', exit: 'exited' };

  /** Changes of state as the timeline tells them: for a report without observations. */
  const statesOfTimeline = (timeline) =>
    timeline
      .filter(([, kind, node]) => STATE_OF[kind] !== undefined && node !== '')
      .map(([atMs, kind, node]) => ({ atMs, node, state: STATE_OF[kind] }));

  const MARKS = {
    crash: { shape: 'cross', tone: 'bad' },
    exit: { shape: 'cross', tone: 'bad' },
    start: { shape: 'up', tone: 'good' },
    operator: { shape: 'diamond', tone: 'accent' },
    violation: { shape: 'cross', tone: 'bad' },
    load: { shape: 'diamond', tone: 'muted' },
    'alert-pending': { shape: 'ring', tone: 'warn' },
    'alert-firing': { shape: 'dot', tone: 'bad' },
    'alert-resolved': { shape: 'dot', tone: 'good' },
  };

  const laneOf = (kind, node) => {
    if (kind.startsWith('alert-')) return 'alerts';
    if (kind === 'operator') return 'node operator';
    if (kind === 'load' || kind === 'violation') return node === '' ? 'operations' : `node ${node}`;
    return `node ${node}`;
  };

  /** Bands and marks of a run, each kind sorted by time. */
  diagram.sceneOf = (data, observed) => ({
    states: stateBands(observed.states.length > 0 ? observed.states : statesOfTimeline(data.timeline), data.virtualMs),
    faults: data.faults.map((fault, index) => ({
      index,
      fault,
      startMs: fault.startMs,
      endMs: hotfire.faultEnd(fault),
      isMoment: hotfire.isMomentary(fault),
    })),
    marks: data.timeline
      .map(([atMs, kind, node, text], line) => ({
        atMs,
        kind,
        node,
        text,
        line,
        ...MARKS[kind],
        lane: laneOf(kind, node),
      }))
      .filter(({ shape }) => shape !== undefined)
      .sort((a, b) => a.atMs - b.atMs),
  });
})();
