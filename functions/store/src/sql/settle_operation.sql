update reservation_operations
set status = ?, success = ?, response_code = ?, message = ?, packets = ?, finished_at = ?, output = ?
where id = ? and status = 'running'
