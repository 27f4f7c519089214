// Messages: arrows between lanes while they can be told apart, a density of each lane when they cannot.
(() => {
  const { hotfire } = globalThis;
  const { diagram } = hotfire;

  /** More arrows than this are no longer told apart. */
  diagram.ARROWS_MAX = 2_500;
  /** More than this and they lose their heads; fewer than that and they have names. */
  const HEADS_MAX = 900;
  const NAMES_MAX = 70;
  /** Width of a column of the density. */
  const COLUMN_PX = 2;
  /** How far a lost message goes on its way. */
  const LOST_PART = 0.55;
  const LOST_PX = 10;

  /** Indices of the messages in the window that are not filtered away and whose lanes are shown. */
  diagram.messagesIn = ({ observed: { messages }, scale, filter }) => {
    const [first, last] = messages.touching(scale.fromMs, scale.toMs);
    const found = [];
    for (let index = first; index < last; index += 1)
      if (filter.messages[index] === 1 && messages.ends[index] >= scale.fromMs) found.push(index);
    return found;
  };

  /** The two ends of an arrow, in pixels; undefined when a lane of it is hidden. */
  diagram.arrow = ({ observed: { messages }, place, scale }, index) => {
    const from = place.ofMachine(messages.nodes[messages.from[index]]);
    const to = place.ofMachine(messages.nodes[messages.to[index]]);
    if (!from || !to) return undefined;
    const x1 = scale.x(messages.starts[index]);
    if (messages.lost[index] === 1)
      return { x1, y1: from.line, x2: x1 + LOST_PX, y2: from.line + (to.line - from.line) * LOST_PART, isLost: true };
    return { x1, y1: from.line, x2: scale.x(messages.ends[index]), y2: to.line, isLost: false };
  };

  const head = (ctx, { x1, y1, x2, y2 }) => {
    const length = Math.hypot(x2 - x1, y2 - y1) || 1;
    const dx = (x2 - x1) / length;
    const dy = (y2 - y1) / length;
    ctx.moveTo(x2, y2);
    ctx.lineTo(x2 - 7 * dx - 3.5 * dy, y2 - 7 * dy + 3.5 * dx);
    ctx.lineTo(x2 - 7 * dx + 3.5 * dy, y2 - 7 * dy - 3.5 * dx);
    ctx.closePath();
  };

  const cross = (ctx, { x2, y2 }) => {
    ctx.moveTo(x2 - 4, y2 - 4);
    ctx.lineTo(x2 + 4, y2 + 4);
    ctx.moveTo(x2 + 4, y2 - 4);
    ctx.lineTo(x2 - 4, y2 + 4);
  };

  /** Draws arrows in one colour: lines, heads, crosses; each as one path. */
  diagram.drawArrows = (ctx, arrows, colour, width, hasHeads) => {
    ctx.strokeStyle = colour;
    ctx.fillStyle = colour;
    ctx.lineWidth = width;
    ctx.beginPath();
    for (const { x1, y1, x2, y2 } of arrows) {
      ctx.moveTo(x1, y1);
      ctx.lineTo(x2, y2);
    }
    ctx.stroke();
    ctx.beginPath();
    if (hasHeads) for (const one of arrows) if (!one.isLost) head(ctx, one);
    ctx.fill();
    ctx.lineWidth = width + 1;
    ctx.beginPath();
    for (const one of arrows) if (one.isLost) cross(ctx, one);
    ctx.stroke();
  };

  const drawNames = (frame, indices) => {
    const { ctx, observed, palette, place } = frame;
    const { messages } = observed;
    ctx.font = diagram.font(11);
    ctx.textBaseline = 'bottom';
    ctx.textAlign = 'center';
    const taken = [];
    for (const index of indices) {
      const at = diagram.arrow(frame, index);
      if (!at) continue;
      const text = messages.labels[messages.label[index]];
      const width = ctx.measureText(text).width + 6;
      const part = messages.lost[index] === 1 ? 1 : 0.5;
      const x = at.x1 + (at.x2 - at.x1) * part;
      const y = at.y1 + (at.y2 - at.y1) * part - 2;
      if (x - width / 2 < place.left || x + width / 2 > place.right) continue;
      if (taken.some((box) => Math.abs(box.x - x) < (box.width + width) / 2 && Math.abs(box.y - y) < 14)) continue;
      taken.push({ x, y, width });
      ctx.fillStyle = palette.card;
      ctx.globalAlpha = 0.85;
      ctx.fillRect(x - width / 2, y - 13, width, 14);
      ctx.globalAlpha = 1;
      ctx.fillStyle = palette.text;
      ctx.fillText(text, x, y);
    }
  };

  const drawArrowsIn = (frame, indices) => {
    const { ctx, palette, observed } = frame;
    const groups = new Map();
    for (const index of indices) {
      const at = diagram.arrow(frame, index);
      if (!at) continue;
      const colour = at.isLost ? palette.bad : palette.kinds[frame.kindOf[observed.messages.label[index]]];
      const group = groups.get(colour);
      if (group) group.push(at);
      else groups.set(colour, [at]);
    }
    const width = indices.length > HEADS_MAX ? 0.75 : 1.25;
    for (const [colour, arrows] of groups) diagram.drawArrows(ctx, arrows, colour, width, indices.length <= HEADS_MAX);
    if (indices.length <= NAMES_MAX) drawNames(frame, indices);
  };

  /** How many messages each lane sends and receives, and loses, in each column of the picture. */
  diagram.density = (frame, indices) => {
    const { observed, place, scale } = frame;
    const { messages } = observed;
    const columns = Math.ceil((place.right - place.left) / COLUMN_PX) + 1;
    const lanes = messages.nodes.map((name) => ({
      lane: place.ofMachine(name),
      sent: new Uint32Array(columns),
      received: new Uint32Array(columns),
      lost: new Uint32Array(columns),
    }));
    const column = (ms) =>
      Math.min(columns - 1, Math.max(0, Math.floor(((ms - scale.fromMs) * scale.perMs) / COLUMN_PX)));
    for (const index of indices) {
      const at = column(messages.starts[index]);
      const from = lanes[messages.from[index]];
      from.sent[at] += 1;
      if (messages.lost[index] === 1) from.lost[at] += 1;
      else lanes[messages.to[index]].received[column(messages.ends[index])] += 1;
    }
    return lanes.filter(({ lane }) => lane !== undefined);
  };

  /** The outline of columns with tops at `y(count)` over a base. */
  const columns = (path, left, counts, y, base) => {
    path.moveTo(left, base);
    for (let column = 0; column < counts.length; column += 1) {
      const top = y(counts[column]);
      path.lineTo(left + column * COLUMN_PX, counts[column] > 0 ? top : base);
      path.lineTo(left + (column + 1) * COLUMN_PX, counts[column] > 0 ? top : base);
    }
    path.lineTo(left + counts.length * COLUMN_PX, base);
    path.closePath();
  };

  /** Above the line of a lane what it sends, below it what it receives; heights by the square root, lost ones in red. */
  const drawDensity = (frame, indices) => {
    const { ctx, palette, place } = frame;
    const lanes = diagram.density(frame, indices);
    let most = 1;
    for (const { sent, received } of lanes)
      for (let column = 0; column < sent.length; column += 1) most = Math.max(most, sent[column], received[column]);
    for (const { lane, sent, received, lost } of lanes) {
      const room = lane.lineAt - 3;
      const height = (count) => (count === 0 ? 0 : Math.max(1.5, Math.sqrt(count / most) * room));
      const path = new Path2D();
      columns(path, place.left, sent, (count) => lane.line - height(count), lane.line);
      columns(path, place.left, received, (count) => lane.line + 1 + height(count), lane.line + 1);
      ctx.fillStyle = palette.kinds[0];
      ctx.globalAlpha = 0.75;
      ctx.fill(path);
      ctx.globalAlpha = 1;
      const lostPath = new Path2D();
      columns(lostPath, place.left, lost, (count) => lane.line - height(count), lane.line);
      ctx.fillStyle = palette.bad;
      ctx.fill(lostPath);
    }
  };

  /** Draws the messages of the window and returns how: `arrows` or `density`. */
  diagram.drawMessages = (frame) => {
    const indices = diagram.messagesIn(frame);
    frame.messagesShown = indices;
    frame.mode = indices.length > diagram.ARROWS_MAX ? 'density' : 'arrows';
    if (frame.mode === 'density') drawDensity(frame, indices);
    else drawArrowsIn(frame, indices);
  };
})();
