"""An S3 client that is not ours: does what standard input asks for, one JSON answer an operation."""

import base64
import http.client
import json
import sys
import urllib.parse

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

asked = json.load(sys.stdin)
client = boto3.client(
    "s3",
    endpoint_url=asked["endpoint"],
    region_name="us-east-1",
    aws_access_key_id=asked["access_key_id"],
    aws_secret_access_key=asked["secret_access_key"],
    config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
)


def body(operation):
    if "zeros" in operation:
        return b"\0" * operation["zeros"]
    return base64.b64decode(operation["body"])


def presigned(operation):
    """A PUT by a URL alone: no header of ours, and no client that would tidy up the path."""
    url = client.generate_presigned_url(
        "put_object",
        Params={"Bucket": asked["bucket"], "Key": operation["key"]},
        ExpiresIn=60,
    )
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    path = parts.path
    if "sent_as" in operation:
        path = path.replace(urllib.parse.quote(operation["key"]), operation["sent_as"])
    connection.request("PUT", f"{path}?{parts.query}", body=body(operation))
    response = connection.getresponse()
    text = response.read().decode(errors="replace")
    code = text.split("<Code>")[1].split("</Code>")[0] if "<Code>" in text else ""
    return {"status": response.status, "code": code}


def run(operation):
    kind = operation["do"]
    if kind == "presigned_put":
        return presigned(operation)
    try:
        if kind == "put":
            answer = client.put_object(Bucket=asked["bucket"], Key=operation["key"], Body=body(operation))
            return {"status": answer["ResponseMetadata"]["HTTPStatusCode"], "code": ""}
        if kind == "get":
            answer = client.get_object(Bucket=asked["bucket"], Key=operation["key"])
            text = base64.b64encode(answer["Body"].read()).decode()
            return {"status": answer["ResponseMetadata"]["HTTPStatusCode"], "code": "", "body": text}
        if kind == "list":
            answer = client.list_objects_v2(Bucket=asked["bucket"], Prefix=operation["key"])
            keys = [one["Key"] for one in answer.get("Contents", [])]
            return {"status": answer["ResponseMetadata"]["HTTPStatusCode"], "code": "", "keys": keys}
        raise SystemExit(f"boto3_client.py: there is no operation {kind!r}")
    except ClientError as error:
        return {
            "status": error.response["ResponseMetadata"]["HTTPStatusCode"],
            "code": error.response["Error"]["Code"],
        }


json.dump([run(operation) for operation in asked["operations"]], sys.stdout)
