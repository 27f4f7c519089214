// Spans as a small waterfall: each a bar under its parent, over the time of what is looked at.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;

  /** More spans than this are left to the trace file. */
  const SPANS_MAX = 60;

  /** Spans in the order of a tree: each parent before its children, siblings by their beginnings; with their depth. */
  const inTree = (spans) => {
    const ids = new Set(spans.map(({ id }) => id));
    const children = new Map();
    for (const span of spans) {
      const parent = ids.has(span.parentId) ? span.parentId : '';
      children.set(parent, [...(children.get(parent) ?? []), span]);
    }
    const rows = [];
    const walk = (parent, depth) => {
      for (const span of children.get(parent) ?? []) {
        rows.push({ span, depth });
        walk(span.id, depth + 1);
      }
    };
    walk('', 0);
    return rows;
  };

  const attributesText = (attributes) =>
    Object.entries(attributes)
      .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`)
      .join('\n');

  const row = ({ span, depth }, fromMs, lengthMs) => {
    const end = span.endMs ?? fromMs + lengthMs;
    const percent = (ms) => Math.min(100, Math.max(0, ((ms - fromMs) / lengthMs) * 100));
    const took = span.endMs === null ? 'never ended' : hotfire.span(end - span.startMs);
    const tone = span.status === 'error' ? 'bad' : span.endMs === null ? 'open' : '';
    const said = [`${span.name} on ${span.node}: ${took}`, span.message, attributesText(span.attributes)];
    return el(
      'li',
      { class: 'fall', title: said.filter((one) => one !== '').join('\n') },
      el('span', { class: 'fall-name', style: `padding-left:${Math.min(depth, 8) * 12}px` }, span.name),
      el(
        'span',
        { class: 'fall-track' },
        el('i', {
          class: `fall-bar ${tone}`,
          style: `left:${percent(span.startMs)}%;width:max(2px,${percent(end) - percent(span.startMs)}%)`,
        }),
      ),
      el('span', { class: 'fall-time' }, took),
    );
  };

  /** The waterfall of these spans over a stretch of time; nothing when there are none. */
  hotfire.waterfall = (spans, fromMs, toMs) => {
    if (spans.length === 0) return undefined;
    const last = spans.reduce((latest, { endMs }) => Math.max(latest, endMs ?? latest), toMs);
    const rows = inTree(spans);
    return el(
      'div',
      { class: 'falls' },
      el('h4', {}, `Spans (${hotfire.count(spans.length)}), ${hotfire.span(last - fromMs)} from the call`),
      el(
        'ol',
        {},
        rows.slice(0, SPANS_MAX).map((one) => row(one, fromMs, Math.max(last - fromMs, 1e-4))),
      ),
      rows.length > SPANS_MAX
        ? el('p', { class: 'help' }, `${rows.length - SPANS_MAX} more are in trace.perfetto.json.`)
        : undefined,
      hotfire.data.leftOut.spans > 0
        ? el(
            'p',
            { class: 'help' },
            `${hotfire.count(hotfire.data.leftOut.spans)} spans of the run are not on this page; some of them may belong here.`,
          )
        : undefined,
    );
  };
})();
