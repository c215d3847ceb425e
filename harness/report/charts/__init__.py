"""One file a chart: data that was computed elsewhere -> a Vega-Lite specification, its words and its table."""
