// What is drawn on every chart: the windows of the faults, the moments of the alerts, the limits of the rules.
(() => {
  const { hotfire } = globalThis;

  const inPlot = (plot, draw) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    draw(ctx, bbox);
    ctx.restore();
  };

  /** Shades the time in which a fault was active. */
  hotfire.faultShading = (faults, colours) => ({
    hooks: {
      drawClear: (plot) =>
        inPlot(plot, (ctx, bbox) => {
          for (const fault of faults) {
            const from = plot.valToPos(fault.startMs / 1_000, 'x', true);
            const to = plot.valToPos(hotfire.faultEnd(fault) / 1_000, 'x', true);
            ctx.fillStyle = colours.faultShade;
            ctx.fillRect(from, bbox.top, Math.max(to - from, 1), bbox.height);
            ctx.fillStyle = colours.fault;
            // A moment is a line, a stretch has an edge above it.
            if (hotfire.isMomentary(fault)) ctx.fillRect(from, bbox.top, devicePixelRatio, bbox.height);
            else ctx.fillRect(from, bbox.top, Math.max(to - from, 1), 2 * devicePixelRatio);
          }
        }),
    },
  });

  /** Shades the stretches in which it went wrong; those that lie over each other are one. */
  hotfire.guiltShading = (bands, colours) => ({
    hooks: {
      drawClear: (plot) =>
        inPlot(plot, (ctx, bbox) => {
          ctx.fillStyle = colours.guiltShade;
          ctx.beginPath();
          for (const { fromMs, toMs } of bands) {
            const from = plot.valToPos(fromMs / 1_000, 'x', true);
            const width = plot.valToPos(toMs / 1_000, 'x', true) - from;
            ctx.rect(from, bbox.top, Math.max(width, 2 * devicePixelRatio), bbox.height);
          }
          ctx.fill();
        }),
    },
  });

  /** Marks where alerts became pending (dashed), fired and were resolved. */
  hotfire.alertMarks = (alerts, colours) => ({
    hooks: {
      draw: (plot) =>
        inPlot(plot, (ctx, bbox) => {
          ctx.lineWidth = devicePixelRatio;
          const line = (ms, colour, dash) => {
            if (ms === undefined) return;
            const x = Math.round(plot.valToPos(ms / 1_000, 'x', true)) + 0.5;
            ctx.strokeStyle = colour;
            ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
            ctx.beginPath();
            ctx.moveTo(x, bbox.top);
            ctx.lineTo(x, bbox.top + bbox.height);
            ctx.stroke();
          };
          for (const alert of alerts) {
            if (alert.firingMs === undefined) continue;
            line(alert.pendingMs, colours.warn, [2, 4]);
            line(alert.firingMs, colours.bad, []);
            line(alert.resolvedMs, colours.good, []);
          }
        }),
    },
  });

  /** Draws the limits of the rules, named at the right end. */
  hotfire.thresholdLines = (thresholds, colours) => ({
    hooks: {
      draw: (plot) =>
        inPlot(plot, (ctx, bbox) => {
          ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
          ctx.textAlign = 'right';
          ctx.textBaseline = 'bottom';
          ctx.lineWidth = devicePixelRatio;
          ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
          for (const { value, label } of thresholds) {
            const y = Math.round(plot.valToPos(value, 'y', true)) + 0.5;
            if (y < bbox.top || y > bbox.top + bbox.height) continue;
            ctx.strokeStyle = colours.bad;
            ctx.beginPath();
            ctx.moveTo(bbox.left, y);
            ctx.lineTo(bbox.left + bbox.width, y);
            ctx.stroke();
            const right = bbox.left + bbox.width - 4 * devicePixelRatio;
            const width = ctx.measureText(label).width;
            ctx.fillStyle = colours.card;
            ctx.fillRect(right - width - 3, y - 15 * devicePixelRatio, width + 6, 13 * devicePixelRatio);
            ctx.fillStyle = colours.bad;
            ctx.fillText(label, right, y - 2 * devicePixelRatio);
          }
        }),
    },
  });
})();
