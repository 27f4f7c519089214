// What the panel under the diagram says of the chosen thing.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;
  const { diagram } = hotfire;

  const fields = (value) =>
    value === undefined || Object.keys(value).length === 0
      ? undefined
      : el('pre', { tabindex: '0' }, JSON.stringify(value, null, 1));

  const messageDetail = (index) => {
    const { messages } = hotfire.observed;
    const [sent, received] = [messages.starts[index], messages.ends[index]];
    const isLost = messages.lost[index] === 1;
    return [
      el('h3', {}, messages.labels[messages.label[index]], isLost ? [' ', hotfire.badge('✗ lost', 'bad')] : ''),
      el(
        'dl',
        { class: 'pairs' },
        hotfire.pair('from → to', `${messages.nodes[messages.from[index]]} → ${messages.nodes[messages.to[index]]}`),
        hotfire.pair('sent', hotfire.fineClock(sent, 1)),
        hotfire.pair(
          'arrived',
          isLost ? 'never' : `${hotfire.fineClock(received, 1)}, after ${hotfire.span(received - sent)}`,
        ),
        hotfire.pair('bytes', hotfire.count(messages.bytes[index])),
      ),
    ];
  };

  const faultDetail = (fault) => [
    el('h3', {}, `${fault.name} `, hotfire.badge(`fault ${fault.id}`, 'fault')),
    el('p', {}, fault.text),
    el(
      'dl',
      { class: 'pairs' },
      hotfire.pair('nodes', fault.nodes.join(', ')),
      hotfire.pair('begins', hotfire.fineClock(fault.startMs, 1)),
      hotfire.pair(
        'ends',
        fault.endMs === undefined
          ? hotfire.isMomentary(fault)
            ? 'at once'
            : 'nothing healed it'
          : `${hotfire.fineClock(fault.endMs, 1)}, after ${hotfire.span(fault.endMs - fault.startMs)}`,
      ),
      hotfire.pair('parameters', fields(fault.parameters)),
    ),
  ];

  const logDetail = (index) => {
    const { atMs, node, incarnation, level, message, fields: said } = hotfire.observed.logs[index];
    return [
      el('h3', {}, message),
      el(
        'dl',
        { class: 'pairs' },
        hotfire.pair('level', level),
        hotfire.pair('logged', `${hotfire.fineClock(atMs, 1)} by ${node}, process ${incarnation}`),
        hotfire.pair('fields', fields(said)),
      ),
    ];
  };

  const spanDetail = (index) => {
    const { spans } = hotfire.observed;
    const { name, node, incarnation, startMs, endMs, status, message, attributes, events, traceId } = spans[index];
    const trace = spans.filter((span) => span.traceId === traceId);
    const last = trace.reduce((latest, span) => Math.max(latest, span.endMs ?? latest), startMs);
    return [
      el('h3', {}, name, status === 'error' ? [' ', hotfire.badge('error', 'bad')] : ''),
      el(
        'dl',
        { class: 'pairs' },
        hotfire.pair('of', `${node}, process ${incarnation}`),
        hotfire.pair('begins', hotfire.fineClock(startMs, 1)),
        hotfire.pair(
          'ends',
          endMs === null ? 'never: its process ended first' : `after ${hotfire.span(endMs - startMs)}`,
        ),
        hotfire.pair('error', message),
        hotfire.pair('attributes', fields(attributes)),
        hotfire.pair(
          'events',
          events.map((event) => `${hotfire.span(event.atMs - startMs)}: ${event.name}`).join(', '),
        ),
      ),
      hotfire.waterfall(trace, Math.min(...trace.map((span) => span.startMs)), last),
    ];
  };

  /** All that is known of an item, as elements. */
  diagram.detailOf = (item) => {
    if (item.kind === 'message') return messageDetail(item.index);
    if (item.kind === 'operation') return hotfire.operationDetail(item.index);
    if (item.kind === 'fault') return faultDetail(item.fault);
    if (item.kind === 'span') return spanDetail(item.index);
    if (item.kind === 'log') return logDetail(item.index);
    if (item.kind !== 'mark') return [el('p', {}, diagram.nameOf(item))];
    const { mark } = item;
    return [
      el('h3', {}, mark.text),
      el(
        'dl',
        { class: 'pairs' },
        hotfire.pair('kind', mark.kind),
        hotfire.pair('at', hotfire.fineClock(mark.atMs, 1)),
        hotfire.pair('fields', fields(hotfire.data.timeline[mark.line][4])),
      ),
      el('button', { type: 'button', onclick: () => hotfire.showMoment(mark.atMs) }, 'Show in the timeline'),
    ];
  };
})();
