// The history of the clients: every operation, what was asked, what was answered, which faults it met.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;

  /** More processes than this are searched by `p17`, not chosen. */
  const PROCESSES_MAX = 100;
  const TONES = { ok: 'good', fail: 'warn', info: 'info' };

  /** A button that leads to a thing in the diagram. */
  hotfire.inDiagram = (item) =>
    el('button', { type: 'button', class: 'to-it', onclick: () => hotfire.showItem(item) }, 'Show in the diagram');

  const cells = (operation, isViolating) => {
    const { id, process, f, outcome, invokedMs, completedMs, input, output, code, faults } = operation;
    return [
      el('span', { class: 'row-time' }, hotfire.fineClock(invokedMs, 1_000)),
      el('span', {}, hotfire.badge(outcome, TONES[outcome] ?? ''), isViolating ? hotfire.badge('✗', 'bad') : ''),
      el('span', { class: 'row-node' }, `#${id} p${process}`),
      el('span', { class: 'row-took' }, completedMs === null ? '–' : hotfire.span(completedMs - invokedMs)),
      el(
        'span',
        { class: 'row-met', title: faults.length > 0 ? 'met a fault' : '' },
        faults.length > 0 ? `⚡${faults.length}` : '',
      ),
      el(
        'span',
        { class: 'row-text' },
        el('strong', {}, f),
        ` ${input} `,
        el('span', { class: 'muted' }, `→ ${code || output || '?'}`),
      ),
    ];
  };

  hotfire.renderHistory = (box) => {
    const { operations, violating } = hotfire.observed;
    const { rows } = operations;
    if (rows.length === 0) return;
    const unique = (key) => [...new Set(rows.map((row) => String(row[key])))].filter((value) => value !== '');
    const processes = unique('process');
    const isViolating = (index) => violating.has(rows[index].id);
    const marked = rows.reduce((sum, { id }) => sum + (violating.has(id) ? 1 : 0), 0);
    const { historyLeftOut } = hotfire.data;
    const list = hotfire.explorer({
      id: 'history',
      label: 'History',
      noun: 'operations',
      className: 'operation',
      searchHint: 'Search in keys, answers, errors, #id',
      hint: 'Choose an operation to see what was asked and answered, and the faults that were open.',
      count: rows.length,
      text: (index) => {
        const { id, process, f, node, input, output, code, message } = rows[index];
        return `#${id} p${process} ${f} ${node} ${input} ${output} ${code} ${message}`.toLowerCase();
      },
      cells: (index) => cells(rows[index], isViolating(index)),
      detail: (index) => [...hotfire.operationDetail(index), hotfire.inDiagram(hotfire.diagram.operationItem(index))],
      fromMs: (index) => operations.starts[index],
      toMs: (index) => operations.ends[index],
      chips: {
        names: ['ok', 'fail', 'info'].filter((outcome) => rows.some((row) => row.outcome === outcome)),
        tone: (outcome) => TONES[outcome] ?? '',
        of: (index) => rows[index].outcome,
      },
      choices: [
        { label: 'Operation', any: 'every operation', values: unique('f').sort(), of: (index) => rows[index].f },
        { label: 'Node', any: 'every node', values: unique('node').sort(), of: (index) => rows[index].node },
        {
          label: 'Process',
          any: 'every process',
          values: processes.length > PROCESSES_MAX ? [] : processes.sort((a, b) => a - b),
          of: (index) => String(rows[index].process),
        },
      ],
      toggles: [
        ...(marked > 0 ? [{ name: `only violating (${hotfire.count(marked)})`, test: isViolating }] : []),
        { name: 'met a fault', test: (index) => rows[index].faults.length > 0 },
      ],
      ...(marked > 0 && { order: { name: 'violating first', first: isViolating } }),
    });
    box.append(
      el('h3', { id: 'history' }, 'History'),
      el(
        'p',
        { class: 'help' },
        `Every operation, in the order of its call. ok: took effect; fail: certainly did not; info: nobody knows.${
          historyLeftOut > 0 ? ` ${hotfire.count(historyLeftOut)} more are in history.ndjson.gz.` : ''
        }`,
      ),
      ...list.elements,
    );

    /** Leads to an operation in the history, by its id. */
    hotfire.showOperation = (id) => {
      const index = operations.indexOf.get(id);
      if (index === undefined) return;
      hotfire.byId('history').scrollIntoView({ block: 'start' });
      list.reveal(operations.starts[index], (one) => one === index, true);
    };
  };

  /** A button that leads to an operation of the history; its number alone when it is not on the page. */
  hotfire.operationLink = (id) =>
    hotfire.observed.operations.indexOf.has(id)
      ? el('button', { type: 'button', class: 'moment', onclick: () => hotfire.showOperation(id) }, String(id))
      : String(id);
})();
