// The ground of the diagram: axis, lanes, states of the machines, faults, marks.
(() => {
  const { hotfire } = globalThis;
  const { diagram } = hotfire;

  const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
  diagram.font = (px, weight = '') => `${weight} ${px}px ${FONT}`;

  /** Text cut to fit, with an ellipsis; nothing when not even three letters would fit. */
  diagram.fitText = (ctx, text, room) => {
    if (ctx.measureText(text).width <= room) return text;
    const letters = Math.floor(text.length * (room / ctx.measureText(text).width)) - 1;
    return letters < 3 ? '' : `${text.slice(0, letters)}…`;
  };

  /** Whether a stretch is in the picture, and its pixels, cut to the plot and at least one wide. */
  const stretch = ({ scale, place }, startMs, endMs) => {
    if (endMs < scale.fromMs || startMs > scale.toMs) return undefined;
    const from = Math.max(scale.x(startMs), place.left);
    const to = Math.min(scale.x(endMs), place.right);
    return { from, width: Math.max(to - from, 1) };
  };
  diagram.stretch = stretch;

  const hatched = (ctx, colour) => {
    const tile = new OffscreenCanvas(8, 8);
    const pen = tile.getContext('2d');
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const shift of [-8, 0, 8]) {
      pen.moveTo(shift, 8);
      pen.lineTo(shift + 8, 0);
    }
    pen.stroke();
    return ctx.createPattern(tile, 'repeat');
  };

  /** Ticks of virtual time, with lines down through the lanes. */
  diagram.drawAxis = ({ ctx, place, scale, palette }) => {
    const length = scale.toMs - scale.fromMs;
    const step = diagram.tickStep(length, Math.max(2, Math.floor((place.right - place.left) / 110)));
    ctx.font = diagram.font(12);
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'left';
    for (let tick = Math.ceil(scale.fromMs / step); tick * step <= scale.toMs; tick += 1) {
      const x = Math.round(scale.x(tick * step)) + 0.5;
      ctx.fillStyle = palette.line;
      ctx.fillRect(x - 0.5, place.axis - 6, 1, place.height);
      const short = hotfire.tickText(tick * step, step);
      if (x + ctx.measureText(short).width + 4 > place.right) continue;
      ctx.fillStyle = palette.muted;
      ctx.fillText(short, x + 3, place.axis / 2);
    }
  };

  const drawName = ({ ctx, place, palette }, lane) => {
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'left';
    ctx.font = diagram.font(13, lane.role === 'engine' ? '600' : '');
    ctx.fillStyle = lane.role === 'engine' ? palette.text : palette.muted;
    const room = place.isNarrow ? place.right - place.left : place.left - 16;
    ctx.fillText(
      diagram.fitText(ctx, lane.name, room),
      place.isNarrow ? place.left : 8,
      place.isNarrow ? lane.top + 8 : lane.line,
    );
  };

  /** Names and lines of the lanes. Engines have a ground of their own: they are what the run is about. */
  diagram.drawLanes = (frame) => {
    const { ctx, place, palette } = frame;
    for (const lane of place.lanes) {
      if (lane.role === 'engine') {
        ctx.fillStyle = palette.engine;
        ctx.fillRect(place.left, lane.bodyTop + 2, place.right - place.left, lane.height - 4);
      }
      if (lane.key.startsWith('node ')) {
        ctx.fillStyle = palette.muted;
        ctx.fillRect(place.left, Math.round(lane.line), place.right - place.left, 1);
      }
      ctx.fillStyle = palette.line;
      ctx.fillRect(0, lane.bottom - 0.5, place.width, 1);
      drawName(frame, lane);
    }
  };

  const STATE_WORDS = {
    crashed: 'crashed',
    exited: 'exited',
    stopped: 'stopped',
    starting: 'starting',
    stopping: 'stopping',
  };
  diagram.stateWord = (state) => STATE_WORDS[state] ?? state;

  /** Downtime and starts of the machines, as bands on their lanes. */
  diagram.drawStates = (frame) => {
    const { ctx, place, palette, scene } = frame;
    const down = hatched(ctx, palette.bad);
    for (const band of scene.states) {
      const lane = place.ofMachine(band.node);
      const at = lane && stretch(frame, band.startMs, band.endMs);
      if (!at) continue;
      const isChanging = band.state === 'starting' || band.state === 'stopping';
      ctx.fillStyle = isChanging ? palette.warnBg : palette.badBg;
      ctx.fillRect(at.from, lane.bodyTop + 4, at.width, lane.height - 8);
      if (!isChanging) {
        ctx.fillStyle = down;
        ctx.globalAlpha = 0.35;
        ctx.fillRect(at.from, lane.bodyTop + 4, at.width, lane.height - 8);
        ctx.globalAlpha = 1;
      }
      if (at.width < 60) continue;
      ctx.font = diagram.font(12);
      ctx.fillStyle = isChanging ? palette.warn : palette.bad;
      ctx.textBaseline = 'top';
      ctx.textAlign = 'left';
      ctx.fillText(diagram.fitText(ctx, diagram.stateWord(band.state), at.width - 8), at.from + 4, lane.bodyTop + 6);
    }
  };

  /** The end of a fault in the picture: a moment is drawn wide enough to be pointed at. */
  diagram.faultEnd = ({ scale }, { startMs, endMs, isMoment }) => (isMoment ? startMs + 14 / scale.perMs : endMs);

  const FAULT_TONES = { network: 'cut', process: 'bad' };

  /** Faults: a shade over the lanes of the machines that they hit, and a bar with their name in the lane of faults. */
  diagram.drawFaults = (frame) => {
    const { ctx, place, palette, scene, faultRows } = frame;
    const cut = hatched(ctx, palette.fault);
    const bars = place.byKey.get('faults');
    for (const one of scene.faults) {
      const end = diagram.faultEnd(frame, one);
      const at = stretch(frame, one.startMs, end);
      if (!at) continue;
      const isCut = FAULT_TONES[one.fault.name.split('.')[0]] === 'cut';
      for (const node of one.fault.nodes) {
        const lane = place.ofMachine(node);
        if (!lane) continue;
        ctx.fillStyle = palette.faultShade;
        ctx.fillRect(at.from, lane.bodyTop, at.width, lane.height);
        if (isCut) {
          ctx.globalAlpha = 0.3;
          ctx.fillStyle = cut;
          ctx.fillRect(at.from, lane.bodyTop, at.width, lane.height);
          ctx.globalAlpha = 1;
        }
      }
      if (!bars) continue;
      const y = bars.bodyTop + 4 + (faultRows[one.index] ?? 0) * place.faultPx;
      ctx.fillStyle = palette.fault;
      ctx.fillRect(at.from, y + 2, Math.max(at.width, 3), place.faultPx - 4);
      if (at.width < 40) continue;
      ctx.font = diagram.font(12);
      ctx.fillStyle = palette.card;
      ctx.textBaseline = 'middle';
      ctx.textAlign = 'left';
      ctx.fillText(
        diagram.fitText(ctx, `${one.fault.name} ${one.fault.nodes.join(' ')}`, at.width - 8),
        at.from + 4,
        y + place.faultPx / 2,
      );
    }
  };

  /** One mark around (x, y). */
  const drawMark = (ctx, shape, x, y, colour, ground) => {
    ctx.beginPath();
    ctx.lineWidth = 2;
    ctx.strokeStyle = colour;
    ctx.fillStyle = colour;
    if (shape === 'cross') {
      ctx.lineWidth = 3;
      ctx.moveTo(x - 5, y - 5);
      ctx.lineTo(x + 5, y + 5);
      ctx.moveTo(x + 5, y - 5);
      ctx.lineTo(x - 5, y + 5);
      ctx.stroke();
      return;
    }
    if (shape === 'up') {
      ctx.moveTo(x, y - 6);
      ctx.lineTo(x + 6, y + 5);
      ctx.lineTo(x - 6, y + 5);
      ctx.closePath();
    } else if (shape === 'diamond') {
      ctx.moveTo(x, y - 6);
      ctx.lineTo(x + 6, y);
      ctx.lineTo(x, y + 6);
      ctx.lineTo(x - 6, y);
      ctx.closePath();
    } else ctx.arc(x, y, 5, 0, 2 * Math.PI);
    if (shape === 'ring') {
      ctx.fillStyle = ground;
      ctx.fill();
      ctx.stroke();
    } else ctx.fill();
  };

  /** Alerts, acts of the operator, crashes, starts and violations. Several on one pixel are drawn once. */
  diagram.drawMarks = ({ ctx, place, scale, palette, scene }) => {
    const last = new Map();
    const first = hotfire.lowerBound(scene.markTimes, scale.fromMs);
    for (let index = first; index < scene.marks.length; index += 1) {
      const mark = scene.marks[index];
      if (mark.atMs > scale.toMs) break;
      const lane = place.byKey.get(mark.lane);
      if (!lane) continue;
      const x = scale.x(mark.atMs);
      const key = `${mark.lane} ${mark.kind}`;
      if (x - (last.get(key) ?? -9) < 1) continue;
      last.set(key, x);
      drawMark(ctx, mark.shape, x, lane.line, palette[mark.tone], palette.card);
    }
  };
})();
