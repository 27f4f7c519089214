// What the diagram leaves out: lanes, kinds of messages, all that was not lost.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;
  const { diagram } = hotfire;

  /** Kinds of messages that have a colour and a button of their own; the rarer ones share the last. */
  const KINDS_MAX = 8;

  /** The kinds of messages of a run, most frequent first, and for each label its kind. */
  diagram.kindsOf = (messages) => {
    const counts = new Uint32Array(messages.labels.length);
    for (const label of messages.label) counts[label] += 1;
    const order = [...counts.keys()].sort((a, b) => counts[b] - counts[a]);
    const own = order.length > KINDS_MAX ? KINDS_MAX - 1 : KINDS_MAX;
    const kindOf = new Uint8Array(messages.labels.length);
    order.forEach((label, place) => {
      kindOf[label] = Math.min(place, own);
    });
    const kinds = order.slice(0, own).map((label) => ({ name: messages.labels[label], count: counts[label] }));
    const others = order.slice(own);
    if (others.length > 0)
      kinds.push({ name: `${others.length} others`, count: others.reduce((sum, label) => sum + counts[label], 0) });
    return { kinds, kindOf };
  };

  const chip = (name, isOn, swatch, toggle, classes = 'chip') => {
    const button = el(
      'button',
      { type: 'button', class: classes, 'aria-pressed': String(isOn) },
      swatch === undefined
        ? undefined
        : el('i', { class: 'dot', style: `background:var(--line-${swatch})`, 'aria-hidden': 'true' }),
      name,
    );
    button.addEventListener('click', () => {
      const pressed = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(pressed));
      toggle(pressed);
    });
    return button;
  };

  /** The state of the filter with its controls; `onChange` is called after every change. */
  diagram.makeFilter = (lanes, observed, onChange) => {
    const { messages } = observed;
    const { kinds, kindOf } = diagram.kindsOf(messages);
    const hiddenLanes = new Set(lanes.filter(({ hidden }) => hidden).map(({ key }) => key));
    const hiddenKinds = new Set();
    const filter = {
      kindOf,
      messages: new Uint8Array(messages.count),
      isHidden: ({ key }) => hiddenLanes.has(key),
      lostOnly: false,
    };
    const refresh = () => {
      const shown = messages.nodes.map((name) => !hiddenLanes.has(`node ${name}`));
      for (let index = 0; index < messages.count; index += 1) {
        const isShown =
          shown[messages.from[index]] &&
          shown[messages.to[index]] &&
          !hiddenKinds.has(kindOf[messages.label[index]]) &&
          (!filter.lostOnly || messages.lost[index] === 1);
        filter.messages[index] = isShown ? 1 : 0;
      }
    };
    const toggle = (set, value) => (isOn) => {
      if (isOn) set.delete(value);
      else set.add(value);
      refresh();
      onChange();
    };
    const lost = messages.lost.reduce((sum, one) => sum + one, 0);
    const group = (name, chips) =>
      el(
        'div',
        { class: 'chips', role: 'group', 'aria-label': name },
        el('span', { class: 'chips-name' }, name),
        chips,
      );
    filter.controls = [
      group(
        'Lanes',
        lanes.map((lane) => chip(lane.name, !hiddenLanes.has(lane.key), undefined, toggle(hiddenLanes, lane.key))),
      ),
      ...(kinds.length === 0
        ? []
        : [
            group('Messages', [
              ...kinds.map(({ name, count }, kind) =>
                chip(`${name} (${hotfire.count(count)})`, true, kind + 1, toggle(hiddenKinds, kind)),
              ),
              chip(
                `only lost (${hotfire.count(lost)})`,
                false,
                undefined,
                (isOn) => {
                  filter.lostOnly = isOn;
                  refresh();
                  onChange();
                },
                'chip toggle',
              ),
            ]),
          ]),
    ];
    refresh();
    return filter;
  };
})();
