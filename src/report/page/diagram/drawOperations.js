// Operations of the clients as bars, warnings of the logs as ticks, and what is chosen.
(() => {
  const { hotfire } = globalThis;
  const { diagram } = hotfire;

  const TONES = { ok: 'good', fail: 'warn', info: 'info' };

  /** Narrower bars have no name in them. */
  const NAMED_PX = 34;

  /** The box of an operation's bar, in pixels; undefined when the lane is hidden. */
  diagram.operationBox = ({ observed: { operations }, place, scale }, index) => {
    const lane = place.byKey.get('operations');
    if (!lane) return undefined;
    const x = Math.max(scale.x(operations.starts[index]), place.left);
    const to = Math.min(scale.x(operations.ends[index]), place.right);
    const y = lane.bodyTop + 5 + operations.packed.rows[index] * place.barPx;
    return { x, y, width: Math.max(to - x, 1), height: place.barPx - 2 };
  };

  /** Bars nearer than this are drawn as one: thousands of them share a pixel from afar. */
  const TOUCHING_PX = 0.5;

  /**
   * Draws bars with as few strokes as it takes: those of one row and colour that touch are one. Bars of a row must come by
   * their beginnings. `add(row, colour, box)`, then `end()`, which draws colour by colour in the order given.
   */
  diagram.barPen = (ctx, colours) => {
    const rows = new Map();
    const paths = new Map(colours.map((colour) => [colour, new Path2D()]));
    const flush = ({ colour, x, end, y, height }) => paths.get(colour).rect(x, y, end - x, height);
    return {
      add: (row, colour, { x, y, width, height }) => {
        const key = `${row} ${colour}`;
        const open = rows.get(key);
        if (open && x <= open.end + TOUCHING_PX) {
          open.end = Math.max(open.end, x + width);
          return;
        }
        if (open) flush(open);
        rows.set(key, { colour, x, end: x + width, y, height });
      },
      end: () => {
        for (const open of rows.values()) flush(open);
        for (const [colour, path] of paths) {
          ctx.fillStyle = colour;
          ctx.fill(path);
        }
      },
    };
  };

  const drawNames = ({ ctx, observed, palette }, named) => {
    ctx.font = diagram.font(9);
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'left';
    ctx.fillStyle = palette.card;
    for (const { index, box } of named) {
      const text = diagram.fitText(ctx, observed.operations.rows[index].f, box.width - 4);
      ctx.fillText(text, box.x + 2, box.y + box.height / 2 + 0.5);
    }
  };

  /** Bars of the window; refused and doubtful ones over those that went well, violating ones on top of all. */
  diagram.drawOperations = (frame) => {
    const { ctx, observed, scale, palette, place } = frame;
    const { operations, violating } = observed;
    if (!place.byKey.has('operations')) return;
    const [first, last] = operations.touching(scale.fromMs, scale.toMs);
    const pen = diagram.barPen(ctx, [palette.good, palette.warn, palette.info]);
    const marked = [];
    const named = [];
    for (let index = first; index < last; index += 1) {
      if (operations.ends[index] < scale.fromMs) continue;
      const operation = operations.rows[index];
      const box = diagram.operationBox(frame, index);
      if (violating.has(operation.id)) {
        marked.push(index);
        continue;
      }
      pen.add(operations.packed.rows[index], palette[TONES[operation.outcome]], box);
      if (box.width >= NAMED_PX) named.push({ index, box });
    }
    pen.end();
    drawNames(frame, named);
    for (const index of marked) {
      const box = diagram.operationBox(frame, index);
      ctx.fillStyle = palette.bad;
      ctx.fillRect(box.x - 1, box.y - 1, Math.max(box.width, 3) + 2, box.height + 2);
      ctx.strokeStyle = palette.text;
      ctx.lineWidth = 1.5;
      ctx.strokeRect(box.x - 2, box.y - 2, Math.max(box.width, 3) + 4, box.height + 4);
    }
  };

  /** The box of the n-th span of a machine, in pixels. */
  diagram.spanBox = ({ place, scale }, lane, own, nth) => {
    const x = Math.max(scale.x(own.starts[nth]), place.left);
    const to = Math.min(scale.x(own.ends[nth]), place.right);
    return {
      x,
      y: lane.bodyTop + lane.spansAt + own.packed.rows[nth] * place.spanPx,
      width: Math.max(to - x, 1),
      height: place.spanPx - 2,
    };
  };

  /** Spans of the machines, below their lines. */
  diagram.drawSpans = (frame) => {
    const { ctx, observed, scale, palette, place } = frame;
    const pen = diagram.barPen(ctx, [palette.span, palette.bad]);
    for (const [node, own] of observed.spansByNode) {
      const lane = place.ofMachine(node);
      if (!lane) continue;
      const [first, last] = own.touching(scale.fromMs, scale.toMs);
      for (let nth = first; nth < last; nth += 1) {
        if (own.ends[nth] < scale.fromMs) continue;
        const isError = observed.spans[own.indices[nth]].status === 'error';
        const box = diagram.spanBox(frame, lane, own, nth);
        pen.add(`${node} ${own.packed.rows[nth]}`, isError ? palette.bad : palette.span, box);
      }
    }
    pen.end();
  };

  /** Warnings and errors that were logged: ticks at the bottom of the lane, at most one for each pixel. */
  diagram.drawLogs = ({ ctx, observed, place, scale, palette, logTimes }) => {
    const last = new Map();
    for (let index = hotfire.lowerBound(logTimes, scale.fromMs); index < observed.logs.length; index += 1) {
      const { atMs, node, level } = observed.logs[index];
      if (atMs > scale.toMs) break;
      if (level !== 'warn' && level !== 'error') continue;
      const lane = place.ofMachine(node);
      const x = Math.round(scale.x(atMs));
      if (!lane || last.get(node) === x) continue;
      last.set(node, x);
      ctx.fillStyle = level === 'error' ? palette.bad : palette.warn;
      ctx.fillRect(x - 1, lane.bodyTop + (lane.spansAt ?? lane.height) - 8, 2, 6);
    }
  };

  /** The window of the guilt and the chosen thing, over everything else. */
  diagram.drawChosen = (frame) => {
    const { ctx, place, scale, palette, chosen } = frame;
    if (!chosen) return;
    const x = scale.x(chosen.atMs);
    ctx.strokeStyle = palette.accent;
    ctx.fillStyle = palette.accent;
    if (chosen.kind === 'message') {
      const at = diagram.arrow(frame, chosen.index);
      if (at) diagram.drawArrows(ctx, [at], palette.accent, 3, true);
    }
    if (chosen.kind === 'operation') {
      const box = diagram.operationBox(frame, chosen.index);
      if (box) {
        ctx.lineWidth = 2.5;
        ctx.strokeRect(box.x - 2.5, box.y - 2.5, Math.max(box.width, 3) + 5, box.height + 5);
      }
    }
    if (chosen.kind === 'span') {
      const lane = place.ofMachine(chosen.node);
      const own = frame.observed.spansByNode.get(chosen.node);
      if (lane) {
        const box = diagram.spanBox(frame, lane, own, own.places.get(chosen.index));
        ctx.lineWidth = 2;
        ctx.strokeRect(box.x - 1.5, box.y - 1.5, Math.max(box.width, 3) + 3, box.height + 3);
      }
    }
    if (x < place.left || x > place.right) return;
    ctx.globalAlpha = 0.7;
    ctx.fillRect(Math.round(x), place.axis - 6, 1, place.height - place.axis);
    ctx.globalAlpha = 1;
  };

  /** The stretches in which it went wrong, over all lanes; those that lie over each other are one red. */
  diagram.drawGuilt = (frame) => {
    const { ctx, place, palette } = frame;
    const bands = hotfire.guiltBands().flatMap(({ fromMs, toMs }) => diagram.stretch(frame, fromMs, toMs) ?? []);
    ctx.fillStyle = palette.guiltShade;
    ctx.beginPath();
    for (const { from, width } of bands) ctx.rect(from, place.axis - 6, Math.max(width, 2), place.height - place.axis);
    ctx.fill();
    ctx.fillStyle = palette.bad;
    for (const { from, width } of bands) ctx.fillRect(from, place.axis - 6, Math.max(width, 2), 3);
  };
})();
