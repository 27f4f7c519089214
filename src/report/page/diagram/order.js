// The things of the diagram in the order of time, to step through.
(() => {
  const { hotfire } = globalThis;
  const { diagram } = hotfire;

  /** Everything in order of time, to step through: `[ms, make]` in typed columns. */
  diagram.makeOrder = (observed, scene, filter) => {
    const { messages, operations } = observed;
    const times = [];
    const makers = [];
    const add = (ms, make, index) => {
      times.push(ms);
      makers.push([make, index]);
    };
    for (let index = 0; index < messages.count; index += 1)
      if (filter.messages[index] === 1) add(messages.starts[index], diagram.messageItem, index);
    operations.rows.forEach(({ invokedMs }, index) => {
      add(invokedMs, diagram.operationItem, index);
    });
    observed.spans.forEach(({ startMs }, index) => {
      add(startMs, diagram.spanItem, index);
    });
    scene.marks.forEach(({ atMs }, index) => {
      add(atMs, (at) => diagram.markItem(scene, at), index);
    });
    scene.faults.forEach(({ startMs }, index) => {
      add(startMs, (at) => diagram.faultItem(scene.faults[at].fault), index);
    });
    const order = Uint32Array.from(times.keys()).sort((a, b) => times[a] - times[b] || a - b);
    return {
      times: Float64Array.from(order, (at) => times[at]),
      item: (place) => {
        const [make, index] = makers[order[place]];
        return make(index);
      },
    };
  };
})();
