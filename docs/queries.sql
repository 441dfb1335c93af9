-- Queries for DuckDB (1.1 or later) over the runs in ./copycost-runs. Nothing is installed but DuckDB itself:
--
--   duckdb -init docs/queries.sql        the views below, then type `FROM runs;` or a query from here
--   pip install duckdb; python -c 'import duckdb; duckdb.sql("…")'
--
-- Runs of other machines: put their directories beside each other, or write another path into the views. Columns are explained
-- in docs/FILES.md. `.ci/run` runs every query against made-up runs and compares the figures with `summary.json`.

-- ------------------------------------------------------------------------------------------------ views

-- A column that is empty in all runs has no type; those that queries reckon with get theirs. `latest` is a link to a run that is
-- there under its own name.
CREATE OR REPLACE VIEW results AS
SELECT * REPLACE (goodput_gbps::DOUBLE AS goodput_gbps, goodput_gbps_low::DOUBLE AS goodput_gbps_low,
                  goodput_gbps_high::DOUBLE AS goodput_gbps_high)
FROM read_csv('copycost-runs/*/results.csv', union_by_name = true, filename = true, sample_size = -1)
WHERE filename NOT LIKE '%/latest/%';

CREATE OR REPLACE VIEW ratios AS
SELECT * REPLACE (ratio::DOUBLE AS ratio, low::DOUBLE AS low, high::DOUBLE AS high)
FROM read_csv('copycost-runs/*/ratios.csv', union_by_name = true, filename = true, sample_size = -1)
WHERE filename NOT LIKE '%/latest/%';

CREATE OR REPLACE VIEW trials AS
SELECT * REPLACE (goodput_gbps::DOUBLE AS goodput_gbps, ends_cpu_ns_per_kib::DOUBLE AS ends_cpu_ns_per_kib)
FROM read_csv('copycost-runs/*/trials.csv', union_by_name = true, filename = true, sample_size = -1)
WHERE filename NOT LIKE '%/latest/%';

-- One row a run. `widening` is by how much the machine's drift widens the intervals of levels.
CREATE OR REPLACE VIEW runs AS
SELECT parse_path(s.filename)[-2] AS run,
       h.json->>'$.hostname' AS machine,
       s.json->>'$.run.label' AS label,
       h.json->>'$.kernel' AS kernel,
       h.json->>'$.cpu_model' AS cpu,
       to_timestamp((s.json->>'$.run.started_unix_ms')::BIGINT / 1000) AS started,
       (s.json->>'$.run.rounds')::INTEGER AS rounds,
       (s.json->>'$.run.trials')::INTEGER AS trials,
       (s.json->>'$.run.void_trials')::INTEGER AS void_trials,
       coalesce((s.json->>'$.run.drift.widening')::DOUBLE, 1) AS widening,
       (s.json->>'$.noise_floor.half_width')::DOUBLE AS noise_floor
FROM read_json_objects('copycost-runs/*/summary.json', filename = true, maximum_object_size = 67108864) AS s
JOIN read_json_objects('copycost-runs/*/host.json', filename = true) AS h
  ON parse_path(s.filename)[-2] = parse_path(h.filename)[-2]
WHERE s.filename NOT LIKE '%/latest/%';

-- The 97.5 % quantile of Student's t, as DuckDB has none: printed ones up to 10 degrees of freedom, then Abramowitz and Stegun
-- 26.7.5, which is off by less than 1e-5 there.
CREATE OR REPLACE MACRO t975(v) AS
CASE WHEN v < 1 THEN NULL
     WHEN v <= 10 THEN [12.7062047, 4.3026527, 3.1824463, 2.7764451, 2.5705818,
                        2.4469119, 2.3646243, 2.3060041, 2.2621572, 2.2281389][v]
     ELSE 1.959963985 + 2.37227123 / v + 2.822498616 / v**2 + 2.55584968 / v**3 + 1.589534053 / v**4 END;

-- What a cell has beside its path.
CREATE OR REPLACE MACRO without_path(cell) AS trim(regexp_replace(cell, '(^| )send=[^ ]*', ''));

-- ---------------------------------------------------------------------------------------------- queries

-- query: runs
-- The runs, and how far each is to be trusted.
FROM runs ORDER BY machine, started, run;

-- query: best-path
-- The path with the most goodput in each cell of each machine, and by how much it leads the next: 0.05 is 5 %. Whether that is
-- more than noise stands in ratios.csv, `finding`.
SELECT run, machine, cell, send_path, message_bytes, threads,
       'goodput_gbps' AS metric, goodput_gbps AS value, goodput_gbps_low AS low, goodput_gbps_high AS high,
       goodput_gbps / lead(goodput_gbps) OVER best - 1 AS ahead
FROM results
WHERE NOT control AND goodput_gbps IS NOT NULL
WINDOW best AS (PARTITION BY run, without_path(cell) ORDER BY goodput_gbps DESC)
QUALIFY row_number() OVER best = 1
ORDER BY link, message_bytes, threads, machine, run;

-- query: zerocopy-over-sendmsg
-- What zerocopy costs and brings against sendmsg, cell by cell on every machine.
SELECT message_bytes, threads, machine, run, metric, ratio, low, high, finding, cell, against
FROM ratios
WHERE contrast = 'send: zerocopy / sendmsg' AND metric IN ('goodput_gbps', 'ends_cpu_ns_per_kib') AND ratio IS NOT NULL
ORDER BY metric, link, message_bytes, threads, machine, run;

-- query: zerocopy-by-machine
-- The same as a table: machines as columns, geometric means over the runs of each.
PIVOT (SELECT message_bytes, threads, machine, ratio FROM ratios
       WHERE contrast = 'send: zerocopy / sendmsg' AND metric = 'goodput_gbps')
ON machine USING round(exp(avg(ln(ratio))), 3) GROUP BY message_bytes, threads ORDER BY message_bytes, threads;

-- query: kernel-before-after
-- Goodput under a machine's newer kernel over that under the one before it, from the newest run of each. The interval takes both
-- runs' levels as independent; it is of one cell and not corrected for their number, and a reboot alone moves levels too.
WITH newest AS (
  FROM runs QUALIFY row_number() OVER (PARTITION BY machine, kernel ORDER BY started DESC, run DESC) = 1
), pairs AS (
  SELECT machine, kernel, run, lag(kernel) OVER by_time AS kernel_before, lag(run) OVER by_time AS run_before
  FROM newest WINDOW by_time AS (PARTITION BY machine ORDER BY started, run)
), changes AS (
  SELECT p.*, b.cell, a.goodput_gbps / b.goodput_gbps AS change,
         sqrt((ln(a.goodput_gbps_high / a.goodput_gbps_low) / 2)**2
            + (ln(b.goodput_gbps_high / b.goodput_gbps_low) / 2)**2) AS half
  FROM pairs AS p
  JOIN results AS a ON a.run = p.run
  JOIN results AS b ON b.run = p.run_before AND b.cell = a.cell
  WHERE NOT a.control AND a.goodput_gbps > 0 AND b.goodput_gbps > 0
)
SELECT machine, kernel_before, kernel, run_before, run, cell, change,
       change * exp(-half) AS change_low, change * exp(half) AS change_high
FROM changes
ORDER BY machine, kernel, abs(ln(change)) DESC;

-- query: void-trials
-- Why trials were void, the commonest reason first.
SELECT run, machine, coalesce(failure_why, marks) AS reason, count(*) AS void_trials, count(DISTINCT cell) AS cells
FROM trials WHERE NOT valid
GROUP BY ALL ORDER BY void_trials DESC, run, reason;

-- query: levels-from-trials
-- The cells' levels reckoned anew from the trials: geometric means with Student's interval, widened by drift. The figures are those
-- of results.csv and summary.json.
WITH figures AS (
  UNPIVOT (SELECT run, machine, cell, goodput_gbps, ends_cpu_ns_per_kib FROM trials WHERE valid)
  ON goodput_gbps, ends_cpu_ns_per_kib INTO NAME metric VALUE figure
), levels AS (
  SELECT run, machine, cell, metric, count(*) AS trials, avg(ln(figure)) AS mean,
         stddev_samp(ln(figure)) / sqrt(count(*)) AS error
  FROM figures WHERE figure > 0 GROUP BY ALL
)
SELECT l.run, l.machine, cell, metric, l.trials, exp(mean) AS value,
       exp(mean - widening * t975(l.trials - 1) * error) AS low,
       exp(mean + widening * t975(l.trials - 1) * error) AS high
FROM levels AS l JOIN runs USING (run)
ORDER BY l.run, cell, metric;

-- query: ratios-from-trials
-- The ratios reckoned anew: log-ratios of the same round. The figures are those of ratios.csv where the run was measured in one go;
-- of a block that was cut off and measured again, copycost pairs the complete measurement alone.
WITH valid AS (
  SELECT run, cell, round, goodput_gbps FROM trials WHERE valid
  QUALIFY row_number() OVER (PARTITION BY run, cell, round ORDER BY attempt DESC) = 1
), logs AS (
  SELECT r.run, r.machine, r.cell, r.against, r.metric, ln(a.goodput_gbps / b.goodput_gbps) AS log
  FROM ratios AS r
  JOIN valid AS a ON a.run = r.run AND a.cell = r.cell
  JOIN valid AS b ON b.run = r.run AND b.cell = r.against AND b.round = a.round
  WHERE r.metric = 'goodput_gbps'
), means AS (
  SELECT run, machine, cell, against, metric, count(*) AS pairs, avg(log) AS mean,
         t975(count(*) - 1) * stddev_samp(log) / sqrt(count(*)) AS half
  FROM logs GROUP BY ALL
)
SELECT run, machine, cell, against, metric, pairs, exp(mean) AS ratio, exp(mean - half) AS low, exp(mean + half) AS high
FROM means ORDER BY run, cell, against;

-- query: any-metric
-- From the long form, which has every metric in one column: copycost table > all.csv. Where machines differ most.
SELECT cell, metric, unit, count(*) AS runs, min(value) AS least, arg_min(run, value) AS least_of,
       max(value) AS most, arg_max(run, value) AS most_of, max(value) / min(value) AS times
FROM read_csv('all.csv', sample_size = -1)
WHERE value > 0 AND NOT control
GROUP BY ALL ORDER BY times DESC, cell, metric;
