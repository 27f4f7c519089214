// The things that can be pointed at: finding them under the pointer, naming them, telling all about them.
(() => {
  const { hotfire } = globalThis;
  const { diagram } = hotfire;

  /** How near the pointer must come to an arrow or a mark. */
  const NEAR_PX = 6;

  const distanceToArrow = ({ x1, y1, x2, y2 }, x, y) => {
    const [dx, dy] = [x2 - x1, y2 - y1];
    const along = Math.min(1, Math.max(0, ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy || 1)));
    return Math.hypot(x - x1 - along * dx, y - y1 - along * dy);
  };

  const nearestMessage = (frame, x, y) => {
    let best;
    let nearest = NEAR_PX;
    for (const index of frame.messagesShown) {
      const at = diagram.arrow(frame, index);
      if (!at || x < Math.min(at.x1, at.x2) - NEAR_PX || x > Math.max(at.x1, at.x2) + NEAR_PX) continue;
      const distance = distanceToArrow(at, x, y);
      if (distance < nearest) {
        nearest = distance;
        best = index;
      }
    }
    return best === undefined ? undefined : diagram.messageItem(best);
  };

  const operationUnder = (frame, x, y) => {
    const { operations, violating } = frame.observed;
    const [first, last] = operations.touching(frame.scale.ms(x - 3), frame.scale.ms(x + 3));
    let found;
    for (let index = first; index < last; index += 1) {
      const box = diagram.operationBox(frame, index);
      if (!box) return undefined;
      if (x < box.x - 3 || x > box.x + box.width + 3 || y < box.y - 1 || y > box.y + box.height + 1) continue;
      if (found === undefined || violating.has(operations.rows[index].id)) found = index;
    }
    return found === undefined ? undefined : diagram.operationItem(found);
  };

  const spanUnder = (frame, lane, x, y) => {
    const own = frame.observed.spansByNode.get(lane.name);
    if (!own || y < lane.bodyTop + lane.spansAt) return undefined;
    const [first, last] = own.touching(frame.scale.ms(x - 3), frame.scale.ms(x + 3));
    for (let nth = last - 1; nth >= first; nth -= 1) {
      const box = diagram.spanBox(frame, lane, own, nth);
      if (x >= box.x - 3 && x <= box.x + box.width + 3 && y >= box.y - 1 && y <= box.y + box.height + 1)
        return diagram.spanItem(own.indices[nth]);
    }
    return undefined;
  };

  const markUnder = ({ scene, place, scale }, lane, x) => {
    let best;
    let nearest = NEAR_PX + 2;
    for (
      let index = hotfire.lowerBound(scene.markTimes, scale.ms(x - nearest));
      index < scene.marks.length;
      index += 1
    ) {
      const mark = scene.marks[index];
      const distance = Math.abs(scale.x(mark.atMs) - x);
      if (scale.x(mark.atMs) > x + nearest) break;
      if (mark.lane !== lane.key || distance > nearest || place.byKey.get(mark.lane) === undefined) continue;
      nearest = distance;
      best = index;
    }
    return best === undefined ? undefined : diagram.markItem(scene, best);
  };

  const faultUnder = (frame, lane, x, y) => {
    const { scene, scale, place, faultRows } = frame;
    const slack = 3 / scale.perMs;
    const found = scene.faults.find((one) => {
      const end = Math.max(diagram.faultEnd(frame, one), one.startMs);
      if (scale.ms(x) < one.startMs - slack || scale.ms(x) > end + slack) return false;
      if (lane.key !== 'faults') return one.fault.nodes.includes(lane.name);
      const top = lane.bodyTop + 4 + (faultRows[one.index] ?? 0) * place.faultPx;
      return y >= top && y <= top + place.faultPx;
    });
    return found && diagram.faultItem(found.fault);
  };

  const stateUnder = ({ scene, scale }, lane, x) => {
    const ms = scale.ms(x);
    const band = scene.states.find(({ node, startMs, endMs }) => node === lane.name && ms >= startMs && ms <= endMs);
    return band && { kind: 'state', band, atMs: band.startMs, endMs: band.endMs };
  };

  /** What lies under a point of the picture, the smallest thing first; undefined where there is nothing. */
  diagram.itemAt = (frame, x, y) => {
    if (x < frame.place.left || y < frame.place.axis) return undefined;
    const lane = frame.place.lanes.find(({ top, bottom }) => y >= top && y < bottom);
    const found =
      (lane?.key.startsWith('node ') ? spanUnder(frame, lane, x, y) : undefined) ??
      (lane && markUnder(frame, lane, x)) ??
      (lane?.key === 'operations' ? operationUnder(frame, x, y) : undefined) ??
      (frame.mode === 'arrows' ? nearestMessage(frame, x, y) : undefined);
    if (found || !lane) return found;
    return faultUnder(frame, lane, x, y) ?? stateUnder(frame, lane, x) ?? diagram.crowdItem(frame, lane, x);
  };

  /** A message as a thing that can be chosen. */
  diagram.messageItem = (index) => {
    const { messages } = hotfire.observed;
    return { kind: 'message', index, atMs: messages.starts[index], endMs: messages.ends[index] };
  };

  /** An operation, by its place in the columns. */
  diagram.operationItem = (index) => {
    const { operations } = hotfire.observed;
    return { kind: 'operation', index, atMs: operations.starts[index], endMs: operations.ends[index] };
  };

  diagram.markItem = (scene, index) => ({
    kind: 'mark',
    index,
    mark: scene.marks[index],
    atMs: scene.marks[index].atMs,
    endMs: scene.marks[index].atMs,
  });
  diagram.faultItem = (fault) => ({ kind: 'fault', fault, atMs: fault.startMs, endMs: hotfire.faultEnd(fault) });
  diagram.logItem = (index) => ({
    kind: 'log',
    index,
    atMs: hotfire.observed.logs[index].atMs,
    endMs: hotfire.observed.logs[index].atMs,
  });

  /** A span, by its place among all spans. */
  diagram.spanItem = (index) => {
    const { spans, spansByNode } = hotfire.observed;
    const { node, startMs } = spans[index];
    const own = spansByNode.get(node);
    return { kind: 'span', index, node, atMs: startMs, endMs: own.ends[own.places.get(index)] };
  };

  /** Where messages are too many for arrows: how many a machine sends and receives around a point. */
  diagram.crowdItem = (frame, lane, x) => {
    if (frame.mode !== 'density' || !lane.key.startsWith('node ')) return undefined;
    const { messages } = frame.observed;
    const [fromMs, toMs] = [frame.scale.ms(x - 4), frame.scale.ms(x + 4)];
    const machine = messages.nodes.indexOf(lane.name);
    const counts = { sent: 0, received: 0, lost: 0 };
    for (const index of frame.messagesShown) {
      if (messages.ends[index] < fromMs || messages.starts[index] > toMs) continue;
      if (messages.from[index] === machine && messages.starts[index] >= fromMs) {
        counts.sent += 1;
        counts.lost += messages.lost[index];
      }
      if (messages.to[index] === machine && messages.lost[index] === 0 && messages.ends[index] <= toMs)
        counts.received += 1;
    }
    if (counts.sent + counts.received === 0) return undefined;
    return { kind: 'crowd', lane: lane.name, counts, atMs: fromMs, endMs: toMs };
  };

  /** An item in one line: for the pointer's label, for readers of the screen, and for search hits. */
  diagram.nameOf = (item) => {
    const at = hotfire.fineClock(item.atMs, 1);
    const { messages, operations, logs, violating } = hotfire.observed;
    if (item.kind === 'message') {
      const [from, to] = [messages.nodes[messages.from[item.index]], messages.nodes[messages.to[item.index]]];
      const fate = messages.lost[item.index] === 1 ? 'lost' : hotfire.span(item.endMs - item.atMs);
      return `${at} ${from} → ${to}: ${messages.labels[messages.label[item.index]]} (${fate})`;
    }
    if (item.kind === 'operation') {
      const { id, process, f, outcome, completedMs } = operations.rows[item.index];
      const took = completedMs === null ? 'no answer' : hotfire.span(item.endMs - item.atMs);
      return `${at} operation ${id}: process ${process} ${f} → ${outcome} (${took})${violating.has(id) ? ', violating' : ''}`;
    }
    if (item.kind === 'span') {
      const { name, node, endMs } = hotfire.observed.spans[item.index];
      return `${at} ${node}: ${name} (${endMs === null ? 'never ended' : hotfire.span(item.endMs - item.atMs)})`;
    }
    if (item.kind === 'log') {
      const { node, level, message } = logs[item.index];
      return `${at} ${node} logs ${level}: ${message}`;
    }
    if (item.kind === 'mark') return `${at} ${item.mark.text}`;
    if (item.kind === 'fault') return `${at} ${item.fault.name}: ${item.fault.text}`;
    if (item.kind === 'state')
      return `${item.band.node} ${diagram.stateWord(item.band.state)} for ${hotfire.span(item.endMs - item.atMs)}`;
    const { sent, received, lost } = item.counts;
    return `${item.lane}: ${sent} sent, ${received} received${lost > 0 ? `, ${lost} lost` : ''} in ${hotfire.span(item.endMs - item.atMs)}`;
  };
})();
