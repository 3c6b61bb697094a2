select 'heartbeat' as kind, host, timestamp_utc, sha256, first_arrived_at, coalesce(arrived_at, first_arrived_at) as arrived_at,
    null as id, null as rule, null as reservation_id, null as state, null as opened_at, null as acknowledged_at,
    null as acknowledged_by, null as acknowledged_until, null as note, null as resolved_at, null as cause,
    null as lab, null as start_at, null as end_at, null as status, null as who
from lab_station_heartbeat
where {any host = ? and timestamp_utc = ?}
union all
select 'alert', host, null, null, null, null,
    id, rule, reservation_id, state, opened_at, acknowledged_at, acknowledged_by, acknowledged_until, note, resolved_at, cause,
    null, null, null, null, null
from alerts
where host in ({list}) and state in ('open', 'acknowledged')
union all
select 'reservation', host, null, null, null, null,
    id, null, null, null, null, null, null, null, null, null, null,
    lab, start_at, end_at, status, who
from reservations
where host in ({list}) and end_at >= ? and start_at <= ?
