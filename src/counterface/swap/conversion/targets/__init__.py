"""What a conversion goes over: pictures, videos, picture sequences, and folders of them."""
