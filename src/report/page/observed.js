// What a run was seen to do, in columns that are sorted by time, so that a stretch of it is found by binary search.
(() => {
  const { hotfire } = globalThis;

  /** Faults that end a process: when it comes up again is a state of the machine. */
  const ENDS_PROCESS = /^process\.(?:kill|power-loss|wipe)$/;

  /** True of a fault that strikes and is over. */
  hotfire.isMomentary = ({ name, lastsMs }) => lastsMs === 0 || ENDS_PROCESS.test(name);

  /** Until when a fault was in force: one that nothing healed until the end of the run. */
  hotfire.faultEnd = (fault) =>
    hotfire.isMomentary(fault)
      ? fault.startMs
      : Math.min(fault.endMs ?? hotfire.data.virtualMs, fault.startMs + (fault.lastsMs ?? Infinity));

  /** First index at which `values[index] >= value`; `values` never falls. */
  hotfire.lowerBound = (values, value) => {
    let low = 0;
    let high = values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  /**
   * Things with a beginning and an end, sorted by their beginnings. `reach[i]` is the latest end of the first i + 1 of them:
   * what comes before the first index that reaches a moment is over by then.
   */
  hotfire.intervals = (starts, ends) => {
    const reach = new Float64Array(starts.length);
    let latest = -1;
    for (let index = 0; index < starts.length; index += 1) {
      latest = Math.max(latest, ends[index]);
      reach[index] = latest;
    }
    return {
      starts,
      ends,
      /** Indices [first, last) among which all are that touch the stretch; some of them may not. */
      touching: (fromMs, toMs) => [hotfire.lowerBound(reach, fromMs), hotfire.lowerBound(starts, toMs + 1e-9)],
    };
  };

  /** From the columns of the data: differences in microseconds become moments in milliseconds. */
  const messageColumns = ({ machines, labels, sentUs, flightUs, from, to, bytes, label }) => {
    const starts = new Float64Array(sentUs.length);
    const ends = new Float64Array(sentUs.length);
    let us = 0;
    for (let index = 0; index < sentUs.length; index += 1) {
      us += sentUs[index];
      starts[index] = us / 1_000;
      ends[index] = (us + Math.max(0, flightUs[index])) / 1_000;
    }
    return {
      count: sentUs.length,
      ...hotfire.intervals(starts, ends),
      lost: Uint8Array.from(flightUs, (flight) => (flight < 0 ? 1 : 0)),
      from: Uint16Array.from(from),
      to: Uint16Array.from(to),
      label: Uint32Array.from(label),
      bytes,
      nodes: machines,
      labels,
    };
  };

  /** How long the bar of an operation is that was never answered: to the end of the run it would hide the others. */
  const UNANSWERED_MS = 1_000;

  /** Rows of bars that lie over each other at most; beyond them bars share the last row. */
  const ROWS_MAX = 12;

  /** Puts each interval into the first row that is free; returns the row of each, and how many rows there are. */
  hotfire.packRows = (starts, ends, most = ROWS_MAX) => {
    const free = [];
    const rows = Uint8Array.from(starts, (start, index) => {
      let row = free.findIndex((ms) => ms <= start);
      if (row < 0) row = Math.min(free.length, most - 1);
      free[row] = Math.max(free[row] ?? 0, ends[index]);
      return row;
    });
    return { rows, count: free.length };
  };

  /** From a row of values to a thing with these names. */
  const named = (names) => (row) => Object.fromEntries(names.map((name, index) => [name, row[index]]));

  const operationRow = named(
    'id process f node outcome invokedMs completedMs input output code message faults'.split(' '),
  );

  const operationColumns = (history, endMs) => {
    const rows = history.map(operationRow).sort((a, b) => a.invokedMs - b.invokedMs || a.id - b.id);
    const starts = Float64Array.from(rows, ({ invokedMs }) => invokedMs);
    const ends = Float64Array.from(
      rows,
      ({ invokedMs, completedMs }) => completedMs ?? Math.min(invokedMs + UNANSWERED_MS, endMs),
    );
    return {
      rows,
      ...hotfire.intervals(starts, ends),
      packed: hotfire.packRows(starts, ends),
      indexOf: new Map(rows.map(({ id }, index) => [id, index])),
    };
  };

  const spanRow = named(
    'startMs endMs node incarnation name id parentId traceId status message attributes events links'.split(' '),
  );

  /** More rows of spans than this in one lane would push the others out of sight. */
  const SPAN_ROWS_MAX = 5;

  const GONE = new Set(['crashed', 'exited', 'stopped']);

  /** When the process of this node was gone that had begun something at this moment; the end of the run if it stayed. */
  const goneAt = (states, node, ms, endMs) =>
    states.find((one) => one.node === node && one.atMs >= ms && GONE.has(one.state))?.atMs ?? endMs;

  /** The spans of each node, in columns, with the row of each in its lane. */
  const spansByNode = (spans, states, endMs) => {
    const nodes = new Map();
    spans.forEach(({ node }, index) => {
      const own = nodes.get(node);
      if (own) own.push(index);
      else nodes.set(node, [index]);
    });
    return new Map(
      [...nodes].map(([node, indices]) => {
        const starts = Float64Array.from(indices, (index) => spans[index].startMs);
        const ends = Float64Array.from(
          indices,
          (index) => spans[index].endMs ?? goneAt(states, node, spans[index].startMs, endMs),
        );
        return [
          node,
          {
            indices,
            ...hotfire.intervals(starts, ends),
            packed: hotfire.packRows(starts, ends, SPAN_ROWS_MAX),
            places: new Map(indices.map((index, nth) => [index, nth])),
          },
        ];
      }),
    );
  };

  const logRow = named('atMs node incarnation level message fields'.split(' '));
  const stateRow = named(['atMs', 'node', 'state']);

  /** The columns of the run; what it did not leave is empty. */
  hotfire.observe = (data) => {
    const states = data.states.map(stateRow);
    const spans = data.spans.map(spanRow).sort((a, b) => a.startMs - b.startMs);
    return {
      messages: messageColumns(data.messages),
      spans,
      spansByNode: spansByNode(spans, states, data.virtualMs),
      logs: data.logs.map(logRow).sort((a, b) => a.atMs - b.atMs),
      states,
      operations: operationColumns(data.history, data.virtualMs),
      violating: new Set(data.violations.flatMap(({ operations = [] }) => operations)),
    };
  };
})();
