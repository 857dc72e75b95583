"""What is watched, and when somebody is called: objectives and rules, made from the `Service`
value."""
