select host from reservations where end_at >= ? and start_at <= ?
union
select host from station_leases
order by host
