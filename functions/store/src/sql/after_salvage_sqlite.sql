-- Rows whose other half was lost.
insert or ignore into lab_hosts (name, status, created_at)
    select host, 'active', min(word_since) from lab_station_state group by host;
delete from alert_transitions where alert_id not in (select id from alerts);
