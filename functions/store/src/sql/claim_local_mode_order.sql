update local_mode_orders
set claimed_by = ?, claimed_until = {epoch} + ?
where host = ? and (claimed_by is null or claimed_until <= {epoch})
