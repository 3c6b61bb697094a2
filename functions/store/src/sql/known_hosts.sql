select host from lab_station_state where host in ({list})
