// The equity of the run, and below it how far it was under its highest value so far.

function showEquity({ equity }) {
  byId("equity-basis").textContent = equity.basis;
  const place = byId("equity-chart");
  if (equity.at.length < 2) {
    place.classList.add("empty");
    place.replaceChildren(nothing("There is no equity to draw: no session reached a mark."));
    return;
  }
  const chart = LightweightCharts.createChart(place, CHART_OPTIONS);
  const priceFormat = { type: "custom", formatter: (value) => decimals(value), minMove: 0.01 };
  const curve = chart.addSeries(LightweightCharts.BaselineSeries, {
    baseValue: { type: "price", price: equity.start }, lineWidth: 2, priceLineVisible: false, priceFormat,
  }, 0);
  const fall = chart.addSeries(LightweightCharts.AreaSeries, {
    invertFilledArea: true, lineWidth: 1, priceLineVisible: false,
    priceFormat: { ...priceFormat, formatter: (value) => `${decimals(value)} %` },
  }, 1);
  const start = curve.createPriceLine({
    price: equity.start, lineStyle: LightweightCharts.LineStyle.Dashed, lineWidth: 1,
    axisLabelVisible: false, title: "",
  });
  const points = (values, sign = 1) => values.flatMap((value, index) => (
    value === null ? [] : [{ time: equity.at[index] / 1000, value: sign * value }]
  ));
  curve.setData(points(equity.equity));
  fall.setData(points(equity.drawdown_pct, -1));
  chart.panes()[0].setStretchFactor(2.2);
  chart.panes()[1].setStretchFactor(1);
  chart.applyOptions({ handleScroll: { mouseWheel: false }, handleScale: { mouseWheel: false } });
  chart.timeScale().fitContent();
  onTheme(() => {
    chart.applyOptions(chartColours());
    curve.applyOptions({
      topLineColor: colour("win"), topFillColor1: colour("win", 0.25), topFillColor2: colour("win", 0.03),
      bottomLineColor: colour("loss"), bottomFillColor1: colour("loss", 0.03), bottomFillColor2: colour("loss", 0.25),
    });
    fall.applyOptions({ lineColor: colour("loss"), topColor: colour("loss", 0.05), bottomColor: colour("loss", 0.3) });
    start.applyOptions({ color: colour("muted", 0.6) });
  });
  const readout = (index) => byId("equity-readout").replaceChildren(
    `${timeText(equity.at[index])} · equity `, make("b", {}, written(equity.equity[index], "money")),
    " · drawdown ", make("b", {}, written(equity.drawdown_pct[index], "share")),
  );
  const last = equity.at.length - 1;
  readout(last);
  chart.subscribeCrosshairMove(({ time }) => readout(time === undefined ? last : equity.at.indexOf(time * 1000)));
}
