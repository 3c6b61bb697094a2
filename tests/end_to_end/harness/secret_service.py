"""AWS Secrets Manager on loopback.

serve          its address on the first line of standard output, then requests until it is killed
put ENDPOINT   keeps what standard input says as the secret `database`, and gives its ARN
"""

import json
import logging
import signal
import sys

import boto3
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

NAME = "database"


def serve():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    signal.pause()


def put(endpoint):
    client = boto3.client("secretsmanager", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any")
    secret = sys.stdin.read()
    try:
        answer = client.put_secret_value(SecretId=NAME, SecretString=secret)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        answer = client.create_secret(Name=NAME, SecretString=secret)
    print(json.dumps(answer["ARN"]))


if __name__ == "__main__":
    {"serve": serve, "put": put}[sys.argv[1]](*sys.argv[2:])
