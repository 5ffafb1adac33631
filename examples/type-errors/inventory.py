"""What lies on the shelves."""


class Shelf:
    def __init__(self, name):
        self.name = name
        self.items = {}

    def put(self, item, amount=1):
        self.items[item] = self.items.get(item, 0) + amount

    def take(self, item):
        if not self.items.get(item):
            return None
        self.items[item] -= 1
        return item


def find(shelves, item):
    return next((shelf.name for shelf in shelves if shelf.items.get(item)), None)
