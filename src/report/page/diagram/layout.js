// The lanes of the diagram: which there are, in which order, and where they lie.
(() => {
  const { hotfire } = globalThis;
  const diagram = {};
  hotfire.diagram = diagram;

  const AXIS_PX = 26;
  const HEIGHTS = { marks: 26, engine: 56, machine: 38 };
  const BAR_PX = 9;
  const SPAN_PX = 7;
  const FAULT_PX = 18;
  /** On a narrow screen the name of a lane stands over it. */
  const NARROW_PX = 620;

  const roleOf = (name, data) => {
    const known = data.nodes.find((node) => node.name === name);
    if (known) return known.role;
    return name === 'prometheus' || name === 'operator' ? name : 'machine';
  };

  /** Height of a lane, and where its line lies in it; its spans lie below. */
  const heights = (height, spanRows) => ({
    height: height + (spanRows > 0 ? spanRows * SPAN_PX + 4 : 0),
    lineAt: height / 2,
    spansAt: height,
  });

  const ORDER = ['operator', 'engine', 'machine', 'client', 'prometheus'];

  /** All lanes of a run. `hidden` ones are not shown until somebody asks for them. */
  diagram.lanesOf = (data, observed) => {
    const machines = [...new Set([...data.nodes.map(({ name }) => name), ...observed.messages.nodes])]
      .map((name) => ({ name, role: roleOf(name, data) }))
      .sort((a, b) => ORDER.indexOf(a.role) - ORDER.indexOf(b.role));
    const hasOperator = data.timeline.some(([, kind]) => kind === 'operator');
    if (hasOperator && !machines.some(({ name }) => name === 'operator'))
      machines.unshift({ name: 'operator', role: 'operator' });
    const faults = hotfire.packRows(
      data.faults.map(({ startMs }) => startMs),
      data.faults.map((fault) => Math.max(hotfire.faultEnd(fault), fault.startMs + hotfire.runMs() / 80)),
      5,
    );
    const bars = observed.operations.packed.count;
    return {
      faultRows: faults.rows,
      lanes: [
        ...(data.alerts.length > 0 ? [{ key: 'alerts', name: 'alerts', role: 'alerts', height: HEIGHTS.marks }] : []),
        ...(data.faults.length > 0
          ? [{ key: 'faults', name: 'faults', role: 'faults', height: faults.count * FAULT_PX + 8 }]
          : []),
        ...machines.map(({ name, role }) => ({
          key: `node ${name}`,
          name,
          role,
          ...heights(
            role === 'engine' ? HEIGHTS.engine : HEIGHTS.machine,
            observed.spansByNode.get(name)?.packed.count ?? 0,
          ),
          hidden: role === 'prometheus',
        })),
        ...(bars > 0
          ? [{ key: 'operations', name: 'operations', role: 'operations', height: bars * BAR_PX + 10 }]
          : []),
      ],
    };
  };

  /**
   * Where everything lies in a box of this width, in CSS pixels: each shown lane with its top and the y of its line; the
   * plot between `left` and `right`; lanes by the name of their machine.
   */
  diagram.place = (lanes, isHidden, width) => {
    const isNarrow = width < NARROW_PX;
    const left = isNarrow ? 4 : 132;
    const nameRoom = isNarrow ? 15 : 0;
    let top = AXIS_PX;
    const placed = [];
    for (const lane of lanes) {
      if (isHidden(lane)) continue;
      const height = lane.height + nameRoom;
      placed.push({
        ...lane,
        top,
        bottom: top + height,
        bodyTop: top + nameRoom,
        line: top + nameRoom + (lane.lineAt ?? lane.height / 2),
      });
      top += height;
    }
    return {
      width,
      height: top + 6,
      left,
      right: width - 4,
      axis: AXIS_PX,
      isNarrow,
      lanes: placed,
      byKey: new Map(placed.map((lane) => [lane.key, lane])),
      ofMachine: (name) => placed.find((lane) => lane.key === `node ${name}`),
      barPx: BAR_PX,
      spanPx: SPAN_PX,
      faultPx: FAULT_PX,
    };
  };

  /** From moments to pixels and back, for a window and a place. */
  diagram.scale = ({ fromMs, toMs }, { left, right }) => {
    const perMs = (right - left) / (toMs - fromMs);
    return {
      fromMs,
      toMs,
      perMs,
      x: (ms) => left + (ms - fromMs) * perMs,
      ms: (x) => fromMs + (x - left) / perMs,
    };
  };

  /** The distance of the axis' ticks: 1, 2 or 5 of a power of ten below a second, times of the clock above. */
  diagram.tickStep = (lengthMs, most) => {
    const clock = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];
    const fine = [];
    for (let power = -5; power < 3; power += 1) for (const one of [1, 2, 5]) fine.push(Number(`${one}e${power}`));
    const steps = [...fine.filter((step) => step < 1_000), ...clock.map((seconds) => seconds * 1_000)];
    return steps.find((step) => lengthMs / step <= most) ?? Math.ceil(lengthMs / most / 86_400_000) * 86_400_000;
  };
})();
