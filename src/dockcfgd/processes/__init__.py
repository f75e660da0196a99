"""The processes of docker.service and what each is for."""
