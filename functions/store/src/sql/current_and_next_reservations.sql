select r.id, r.lab, r.host, r.start_at, r.end_at, r.status, r.who
from (
    select id, row_number() over (partition by host, start_at <= ? order by start_at, id) as place
    from reservations
    where end_at > ? and start_at <= ? and status in ('confirmed', 'active'){filters}
) chosen
join reservations r on r.id = chosen.id
where chosen.place = 1
