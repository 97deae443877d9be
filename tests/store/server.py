"""An S3 server on this machine that knows one user, and hands for the tests to put things into it.

It checks signatures: requests before the user is there are let through, all later ones must be
signed with the user's key. It ends when standard input does. The first line of standard output
tells port and keys; after that each line of standard input is a command, and one line answers it.
"""

import base64
import json
import os
import sys

# Creating the user, its policy and its key.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"
os.environ["AWS_DEFAULT_REGION"] = "us-east-1"

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


def say(answer):
    print(json.dumps(answer), flush=True)


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    endpoint = f"http://127.0.0.1:{port}"

    def client(service, key, secret):
        return boto3.client(
            service,
            endpoint_url=endpoint,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    iam = client("iam", "nobody", "nothing")
    iam.create_user(UserName="nightly")
    iam.put_user_policy(
        UserName="nightly", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING)
    )
    made = iam.create_access_key(UserName="nightly")["AccessKey"]
    key, secret = made["AccessKeyId"], made["SecretAccessKey"]
    s3 = client("s3", key, secret)
    say({"port": port, "key": key, "secret": secret})
    for line in sys.stdin:
        command = json.loads(line)
        bucket, name = command["bucket"], command.get("key")
        if command["do"] == "make":
            s3.create_bucket(Bucket=bucket)
            say({})
        elif command["do"] == "put":
            s3.put_object(Bucket=bucket, Key=name, Body=base64.b64decode(command["body"]))
            say({})
        elif command["do"] == "get":
            found = s3.get_object(Bucket=bucket, Key=name)
            say({"body": base64.b64encode(found["Body"].read()).decode()})
        elif command["do"] == "list":
            found = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
            say({"keys": [it["Key"] for it in found]})
    os._exit(0)


main()
