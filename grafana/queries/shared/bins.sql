-- The starts of the bins of the range, as a table `bins` with the column `at`: what has no row has a value too.
(
  SELECT at
  FROM generate_series(
    date_bin('$__interval', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch'),
    $__timeTo()::timestamptz,
    INTERVAL '$__interval'
  ) AS at
) AS bins
