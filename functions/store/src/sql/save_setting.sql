insert into settings (`key`, value) values {rows}
{upsert `key`} value = {new value}
