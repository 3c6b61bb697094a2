"""An S3 server and a queue service on loopback.

serve RECEIVES   makes the bucket `lab` with versions, the queue `ingest`, and `ingest-dead` for what was received so often; says where they
                 are on the first line of standard output, then answers until it is killed
"""

import json
import logging
import signal
import sys

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "lab"


def serve(receives):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    account = {"endpoint_url": endpoint, "region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
    s3, sqs = boto3.client("s3", **account), boto3.client("sqs", **account)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    dead = sqs.create_queue(QueueName="ingest-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": receives})
    queue = sqs.create_queue(QueueName="ingest", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    print(json.dumps({"endpoint": endpoint, "queue": queue, "dead": dead}), flush=True)
    signal.pause()


if __name__ == "__main__":
    {"serve": serve}[sys.argv[1]](*sys.argv[2:])
