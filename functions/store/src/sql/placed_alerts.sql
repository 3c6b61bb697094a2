select alerts.id, alerts.rule, alerts.host, alerts.reservation_id, alerts.state, alerts.opened_at, alerts.acknowledged_at,
    alerts.acknowledged_by, alerts.acknowledged_until, alerts.note, alerts.resolved_at, alerts.cause,
    lab_hosts.lab, reservations.who
from alerts
left join lab_hosts on lab_hosts.name = alerts.host
left join reservations on reservations.id = alerts.reservation_id
where 1 = 1{filters}
