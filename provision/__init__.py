"""Makes hosts: user data for cloud-init, and Terraform modules. The deploy begins where it ends."""
