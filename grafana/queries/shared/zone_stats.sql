-- The attempts of the range by bucket, cluster, zone and action, as a table `zone_stats`.
{{shared/summed_stats relation=(zone_stats) columns=( bucket, cluster, zone, action, events)}}
